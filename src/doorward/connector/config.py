"""Where calls go and with which key. The key goes in once and is never shown, copied or pickled."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from doorward.core.secret import Secret

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_TIMEOUT_S = 600.0


class Bearer:
    """A key, as `Authorization: Bearer` carries it: OpenAI's own, or a client key of Doorward (``dw-…``).

    White space around it is cut. Raises `ValueError` for what can be no key, without repeating it.
    """

    __slots__ = ("_secret",)

    def __init__(self, key: str | Secret) -> None:
        secret = key if isinstance(key, Secret) else Secret(key)
        value = secret.reveal().strip()
        if not value:
            raise ValueError("the key is empty")
        if not all(0x21 <= byte <= 0x7E for byte in value):
            raise ValueError("the key has a space, a line break or another character that no key has")
        self._secret = Secret(value)

    def __repr__(self) -> str:
        return "Bearer(***)"

    def __reduce__(self) -> str:
        raise TypeError("a Bearer cannot be copied or pickled: make it where it is used, from your secret store")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Config:
    """One place to call, with one key. Keep it: its connections are kept open for as long as it lives, per event loop.

    `base_url` as the SDK takes it, with ``/v1``; `None`: `OPENAI_BASE_URL`, else OpenAI. `max_retries` is the SDK's own,
    and 0 by default: the SDK also resends after a timeout, when the first call may have been billed. Behind Doorward
    there is no need for it; Doorward tries again whatever is safe to.
    """

    auth: Bearer
    base_url: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_retries: int = 0
    organization: str | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.auth, Bearer):
            # Nothing of what came is repeated: it is probably the bare key.
            raise TypeError("auth must be a Bearer: Config(auth=Bearer(key))")
        if self.timeout_s <= 0 or self.max_retries < 0:
            raise ValueError("timeout_s must be over 0, and max_retries 0 or more")

    def __reduce__(self) -> str:
        raise TypeError("a Config cannot be copied or pickled: it holds a key")

    async def close(self) -> None:
        """Close its connections in this event loop. The next call opens new ones."""
        loops = _clients.get(self)
        client = None if loops is None else loops.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


_Loops = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, "AsyncOpenAI"]
_clients: weakref.WeakKeyDictionary[Config, _Loops] = weakref.WeakKeyDictionary()


def client_of(config: Config) -> AsyncOpenAI:
    """The SDK's client for this config in this event loop: sockets belong to a loop, so each loop has one of its own."""
    loop = asyncio.get_running_loop()
    loops = _clients.setdefault(config, weakref.WeakKeyDictionary())
    client = loops.get(loop)
    if client is None:
        # 40 MB and half a second that only those who call pay
        from openai import AsyncOpenAI

        client = loops[loop] = AsyncOpenAI(
            api_key=config.auth._secret.reveal().decode("ascii"),
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.max_retries,
            organization=config.organization,
            project=config.project,
        )
    return client


def key_of(config: Config) -> str:
    """For the one reader that must know what to cut out of an error's words."""
    return config.auth._secret.reveal().decode("ascii")

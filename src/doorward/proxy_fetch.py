"""`doorward.proxy_fetch(path)`: an API behind an adapter, called from a notebook or a script by one line.

    import doorward
    models = doorward.proxy_fetch("/v1/apis/http/openai/v1/models").json()
    answer = await doorward.proxy_fetch.aio("/v1/apis/http/github/user")

Where Doorward is and which client key is used stand in `DOORWARD_URL` and `DOORWARD_KEY`, or in the call.
For other people's processes, so it needs nothing but Python and does not go through `upstream/`. No redirect
is followed and no proxy is read from the environment: the key goes to that one address or nowhere.
"""

from __future__ import annotations

import asyncio
import http.client
import json as json_module
import ssl
import sys
import types
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from doorward import __version__
from doorward.settings import environment

PREFIX = "/v1/apis/http/"
_PIECE_BYTES = 64 * 1024
GivenHeader = tuple[str, str | None]
"""(lower-case name, value); `None`: not sent, not even what is sent by default."""
_BY_DEFAULT = {"accept": "*/*", "user-agent": f"doorward/{__version__}"}
"""As curl does; GitHub and others refuse a call without them."""


class NotSet(ValueError):
    """A variable that is needed is missing; its text names it."""


class Answer:
    """Status and headers are there at once; the body is read when it is asked for, once."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self._content: bytes | None = None
        self.status = response.status
        self.reason = response.reason
        self.all_headers = [(name.lower(), value) for name, value in response.getheaders()]
        self.headers = dict(self.all_headers)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def content(self) -> bytes:
        if self._content is None:
            self._content = b"".join(self)
        return self._content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json_module.loads(self.content)

    def __iter__(self) -> Iterator[bytes]:
        """Pieces as they arrive. Raises `http.client.IncompleteRead` for a body that was cut off."""
        if self._content is not None:
            yield self._content
            return
        try:
            while piece := self._response.read1(_PIECE_BYTES):
                yield piece
            if self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        finally:
            self.close()

    def silence(self, most_s: float) -> None:
        """The next piece may keep us waiting so long; then `TimeoutError`."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(most_s)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self)
        try:
            while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


def proxy_fetch(
    path: str,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    url: str | None = None,
    key: str | None = None,
    timeout_s: float = 120.0,
) -> Answer:
    """One call. `json` is sent as JSON; a body without a method is a POST. Refusals are answers: look at `.status`.

    Raises `NotSet`, `ValueError` for what is no adapter's path, `OSError` when Doorward cannot be reached.
    """
    if not path.startswith(PREFIX):
        raise ValueError(f"proxy_fetch takes a path that begins with {PREFIX}, for example {PREFIX}openai/v1/models")
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if json is not None:
        body = json_module.dumps(json)
        given.setdefault("content-type", "application/json")
    return call(
        method or ("GET" if body is None else "POST"), path, list(given.items()), body, url=url, key=key, timeout_s=timeout_s
    )


async def aio(path: str, *, stream: bool = False, **options: Any) -> Answer:
    """The same in a thread, so that the event loop goes on. The body is read there too; with `stream`, by `async for`."""

    def fetch() -> Answer:
        answer = proxy_fetch(path, **options)
        if not stream:
            _ = answer.content
        return answer

    return await asyncio.to_thread(fetch)


def call(
    method: str,
    path: str,
    headers: Sequence[GivenHeader],
    body: bytes | str | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    timeout_s: float = 120.0,
) -> Answer:
    """Any path of a running Doorward. `key=""`: send none."""
    base = urlsplit(url or _variable("DOORWARD_URL", "http://localhost:8080"))
    if base.scheme not in ("https", "http") or not base.hostname:
        raise ValueError("DOORWARD_URL is not a web address: write it as https://doorward.example.com")
    named = {name for name, _ in headers}
    sent = [(name, value) for name, value in headers if value is not None]
    sent += [(name, value) for name, value in _BY_DEFAULT.items() if name not in named]
    if "authorization" not in named and (secret := _variable("DOORWARD_KEY", "dw-...") if key is None else key):
        sent.append(("authorization", f"Bearer {secret}"))
    connection: http.client.HTTPConnection
    if base.scheme == "https":
        connection = http.client.HTTPSConnection(base.hostname, base.port, timeout=timeout_s, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(base.hostname, base.port, timeout=timeout_s)
    data = body.encode() if isinstance(body, str) else body
    try:
        connection.putrequest(method, base.path.rstrip("/") + path, skip_host="host" in named)
        if "content-length" not in named and (data or method in ("POST", "PUT", "PATCH")):
            sent.append(("content-length", str(len(data or b""))))
        for name, value in sent:
            connection.putheader(name, value)
        connection.endheaders(data)
        return Answer(connection, connection.getresponse())
    except BaseException:
        connection.close()
        raise


def _variable(name: str, example: str) -> str:
    value = environment().get(name, "").strip()
    if not value:
        raise NotSet(f"{name} is not set: for example {name}={example}")
    return value


class _Callable(types.ModuleType):
    """So that `doorward.proxy_fetch(…)` is the call itself, and `.aio` its asynchronous form."""

    def __call__(self, path: str, **options: Any) -> Answer:
        return proxy_fetch(path, **options)


sys.modules[__name__].__class__ = _Callable

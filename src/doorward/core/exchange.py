"""What comes in, and what goes back: the vocabulary that every room shares.

    Exchange   one client call as it arrived; frozen
    Asks       the few fields of its body that we read
    Body       its bytes, in memory or spooled
    Gone       whether, and when, the client went away
    Reply      one answer: status, headers, chunks

What a call *learns* on its way is not here but in its `ledger.entry.Entry`.

Structs and not dataclasses: every call makes each of these, and a frozen dataclass of ten fields costs 3 µs, a struct 0.2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import force_setattr

Header = tuple[bytes, bytes]
"""(lower-case name, value), as ASGI carries them."""
Headers = Sequence[Header]


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first value of `name` (lower-case), or `None`."""
    for key, value in headers:
        if key == name:
            return value
    return None


def named(headers: Headers) -> Mapping[bytes, bytes]:
    """The first value of each name: for whoever asks for more than one or two."""
    return dict(reversed(headers))


class Body(Protocol):
    """A request body. Both kinds can be read again, so both can be resent."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def data(self) -> bytes | None:
        """The whole body when it is in memory (up to 1 MiB), else `None`: use `chunks`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """From the first byte, at every call."""


class MemoryBody(msgspec.Struct, frozen=True):
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.data:
            yield self.data


EMPTY = MemoryBody(b"")


class Gone:
    """The client's side of the connection. Callbacks run in the event loop, once, at the moment it closes."""

    __slots__ = ("_callbacks", "happened")

    def __init__(self) -> None:
        self.happened = False
        self._callbacks: list[Callable[[], object]] = []

    def then(self, callback: Callable[[], object]) -> None:
        if self.happened:
            callback()
        else:
            self._callbacks.append(callback)

    def forget(self, callback: Callable[[], object]) -> None:
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def happen(self) -> None:
        if not self.happened:
            self.happened = True
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()


class Asks(msgspec.Struct, frozen=True):
    """What a request's body says that routing, limits and money need. Nothing else is read."""

    model: str | None = None
    stream: bool = False
    include_usage: bool = False
    """The client itself asked for `stream_options.include_usage`."""
    n: int = 1
    max_output_tokens: int | None = None
    """`max_completion_tokens`, `max_output_tokens` or `max_tokens`, whichever the body has."""
    previous_response_id: str | None = None
    service_tier: str | None = None
    object_ids: tuple[str, ...] = ()
    """Ids of stored objects that the body names (`file-…`, `resp_…`)."""


class Exchange(msgspec.Struct, frozen=True):
    """One client call. `path` is the path that was matched, percent-decoded once, without the query."""

    request_id: str
    method: str
    path: str
    query: bytes
    headers: Headers
    body: Body
    asks: Asks
    peer: str
    """The client's address, after trusted proxies."""
    arrived_s: float
    """Monotonic seconds."""
    gone: Gone = msgspec.field(default_factory=Gone)
    _named: tuple[Headers, Mapping[bytes, bytes]] | None = None
    """The headers it was made of, and the first value of each name."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower-case), or `None`. A dozen rooms ask: the list is walked once for all."""
        known = self._named
        if known is None or known[0] is not self.headers:
            known = (self.headers, named(self.headers))
            force_setattr(self, "_named", known)
        return known[1].get(name)


class Reply(msgspec.Struct):
    """One answer on its way to the client. `chunks` yields body bytes and raises only `DoorwardError`s."""

    status: int
    headers: list[Header]
    chunks: AsyncIterator[bytes]
    streamed: bool = False
    """The body is `text/event-stream`: errors from now on are an event, not a status."""
    whole: bool = False
    """`chunks` are at hand and few: the answer can be sent when everything held for it was given back."""

"""The one small port through which everything of ours calls out.

`Transport.open` sends one request once, over one connection, and returns at the response's head.
It never retries, never follows a redirect, never decides anything: that is `relay/failover`.
How far a failed request got is in the exception, because whether it may be sent again depends
on that alone (R10).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

import msgspec

from doorward.core.exchange import EMPTY, Body, Header


class Stage(enum.IntEnum):
    """How far an attempt got. `CONNECTING` = no byte of the request was written."""

    CONNECTING = 0
    SENT = 1
    HEAD = 2
    """The response's head arrived whole."""
    BODY = 3
    """Some of the response's body arrived."""


class TransportError(Exception):
    """Base of what a transport raises. The text names host and cause, never a header or a body."""

    def __init__(self, message: str, stage: Stage) -> None:
        super().__init__(message)
        self.stage = stage


class Unreachable(TransportError):
    """Refused, DNS, TLS, or connect timeout: nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Stage.CONNECTING)


class Forbidden(Unreachable):
    """Every address of the host is one that may not be connected to: asking again changes nothing."""


class Lost(TransportError):
    """The connection broke or closed early after something was written: the outcome is unknown."""


class Silent(TransportError):
    """A time limit passed while waiting."""


class Origin(msgspec.Struct, frozen=True):
    """Where to connect, and the key of a connection pool."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    port: int
    allow_private: bool = False
    """Loopback, link-local and private addresses may be connected to."""


class Outgoing(msgspec.Struct, frozen=True):
    """One request. `target` is path and query as bytes, already prefixed with the base path."""

    origin: Origin
    method: str
    target: bytes
    headers: list[Header]
    """Everything but Host, Content-Length, Transfer-Encoding and Connection, which the transport writes."""
    body: Body = EMPTY
    connect_s: float = 5.0
    head_s: float = 600.0
    """From the last request byte to the whole response head."""
    write_s: float = 60.0
    """Without progress while writing the body."""
    sent: Callable[[], object] | None = None
    """Told once, when the first byte is written: from then on the request may be billed, also if nobody waits any more."""


class Incoming(Protocol):
    """A response whose head has arrived. Leaving it unread: `close`, which drops the connection."""

    status: int
    headers: list[Header]
    """Lower-case names, as received, `set-cookie` and hop-by-hop included."""

    async def read(self, within_s: float) -> bytes:
        """The next body bytes as they came from the socket; ``b""`` once, at a *complete* end.

        Raises `Lost` when the connection ends before the body does, `Silent` after `within_s`
        seconds without a byte.
        """

    def close(self) -> None:
        """Give the connection back if the body was read whole, else drop it at once. Idempotent, never waits."""


class Transport(Protocol):
    async def open(self, outgoing: Outgoing) -> Incoming:
        """Send once; return at the head. Raises `Unreachable`, `Lost`, `Silent`. Cancelling drops the connection."""

    async def close(self) -> None:
        """Drop idle connections, wait for nothing."""

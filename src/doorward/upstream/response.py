"""One response: filled by its connection as bytes arrive, read by the relay at its own pace."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import Struct, field

from doorward.core.exchange import Header
from doorward.upstream.deadline import Deadline
from doorward.upstream.port import Incoming, Lost, Outgoing, Silent, Stage
from doorward.upstream.upload import Upload

PAUSE_BYTES = 256 * 1024
"""Unread body bytes above which the socket is no longer read: a slow client slows its upstream, not our memory."""


class Line(Protocol):
    """What a response needs of its connection."""

    host: str
    deadline: Deadline
    """Calls `Response.wake(False)` when it passes."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def unwritten(self) -> int: ...

    def drop(self) -> None:
        """Cut the connection now."""


class Response(Struct, eq=False):
    """Implements `port.Incoming`. It is detached from its connection the moment its last byte is parsed, so
    that the connection can serve the next request while this one is still being read.
    """

    _line: Line | None
    _loop: asyncio.AbstractEventLoop
    status: int = 0
    headers: list[Header] = field(default_factory=list)
    arrived: bool = False
    """The head is whole."""
    whole: bool = False
    """The body is whole, though perhaps not read yet."""
    received: int = 0
    """Body bytes so far."""
    paused: bool = False
    """The socket is not read, because too much is unread here."""
    upload: Upload | None = None
    waiter: asyncio.Future[bool] | None = None
    """Who waits for news: told `False` when the time is up."""
    _lost: str = ""
    _pieces: list[bytes] = field(default_factory=list)
    _buffered: int = 0

    @property
    def stage(self) -> Stage:
        if not self.arrived:
            return Stage.SENT
        return Stage.BODY if self.received else Stage.HEAD

    # The relay's side

    async def read(self, within_s: float) -> bytes:
        """`port.Incoming.read`. After `Silent` it may be called again; cancelling it drops the connection."""
        while not self._pieces:
            if self.whole:
                return b""
            # `_news`, written out: every event of every stream passes here
            line = self._line
            if line is None:
                raise Lost(self._lost, self.stage)
            waiter = self.waiter = self._loop.create_future()
            line.deadline.move(within_s)
            try:
                if not await waiter:
                    raise self._silent(line, within_s)
            except asyncio.CancelledError:
                self.close()
                raise
        pieces = self._pieces
        if len(pieces) == 1:
            piece = pieces.pop()
        else:
            piece = b"".join(pieces)
            pieces.clear()
        self._buffered = 0
        if self.paused and self._line is not None:
            self.paused = False
            self._line.resume_reading()
        return piece

    def close(self) -> None:
        """`port.Incoming.close`. A read that waits meanwhile ends in `Lost`."""
        self._pieces = []
        line = self._line
        if line is not None:
            self.lose("the connection was closed on our side")
            line.drop()

    async def arrive(self, outgoing: Outgoing) -> Incoming:
        """Wait for the head, while the rest of the request goes out. Any failure drops the connection."""
        try:
            while not self.arrived:
                line = self._line
                if line is not None and ((self.upload is not None and self.upload.running) or line.unwritten()):
                    await self._progress(line, outgoing.write_s)
                else:
                    await self._news(outgoing.head_s)
        except BaseException:
            self.close()
            raise
        return self

    async def _progress(self, line: Line, within_s: float) -> None:
        before = self._still(line)
        try:
            await self._news(within_s)
        except Silent:
            if self._still(line) == before:
                raise

    def _still(self, line: Line) -> int:
        """A number that stays the same only while no byte of the request leaves."""
        return line.unwritten() if self.upload is None else self.upload.sent

    async def _news(self, within_s: float) -> None:
        """Until the connection has something to tell. Raises `Lost` when it broke, `Silent` when the time is up."""
        line = self._line
        if line is None:
            raise Lost(self._lost, self.stage)
        waiter = self.waiter = self._loop.create_future()
        line.deadline.move(within_s)
        if not await waiter:
            raise self._silent(line, within_s)

    def _silent(self, line: Line, within_s: float) -> Silent:
        return Silent(f"{line.host}: nothing came for {within_s:g} s", self.stage)

    # The connection's side

    def feed(self, piece: bytes) -> None:
        size = len(piece)
        self._pieces.append(piece)
        self.received += size
        self._buffered += size
        if self._buffered > PAUSE_BYTES and not self.paused and self._line is not None:
            self.paused = True
            self._line.pause_reading()

    def wake(self, in_time: bool = True) -> None:
        waiter = self.waiter
        if waiter is not None:
            # The limit is not lifted: the next wait moves it on, and one that passes while nobody waits wakes nobody.
            self.waiter = None
            if not waiter.done():
                waiter.set_result(in_time)

    def finish(self) -> None:
        """The last byte is parsed."""
        self.whole = True
        self.wake()
        self._let_go()

    def lose(self, why: str) -> None:
        """The connection is gone before the last byte."""
        self._lost = why
        self.wake()
        self._let_go()

    def _let_go(self) -> None:
        self._line = None
        if self.upload is not None:
            self.upload.stop()

"""One HTTP/1.1 connection: a socket, a parser, and at most one exchange at a time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Protocol, cast

from doorward.core.exchange import Body
from doorward.upstream.deadline import Deadline
from doorward.upstream.parser import Malformed, Parser
from doorward.upstream.response import Response
from doorward.upstream.upload import Upload

_JOIN_BYTES = 16 * 1024
"""Up to this size head and body are copied into one write: dearer above."""
_FRESH_S = 0.005
"""A connection that rested less than this is not asked whether its peer is still there."""


class Keeper(Protocol):
    """Who owns the connection while it rests: its pool."""

    def give_back(self, connection: Connection) -> None: ...

    def forget(self, connection: Connection) -> None:
        """It is of no more use; may be called twice."""


class Connection(asyncio.Protocol):
    """Made by `dial`, lent out by a `Pool`, and given back by itself at the last byte of a response."""

    def __init__(self, host: str, sock: socket.socket, keeper: Keeper) -> None:
        self.host = host
        self.idle_since_s = 0.0
        self._socket = sock
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self.deadline = Deadline(self._loop, self._time_is_up)
        self._transport: asyncio.Transport | None = None
        self._parser = Parser()
        self._response: Response | None = None
        self._drained: asyncio.Future[None] | None = None
        self._ended = False

    # Lending

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._ended and not self._transport.is_closing()

    def still_there(self) -> bool:
        """Ask the kernel, before a byte is written, whether the peer has closed or said something meanwhile."""
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            return False
        if self._loop.time() - self.idle_since_s < _FRESH_S:
            return True
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, head: bytes, body: Body, head_only: bool) -> Response | None:
        """Write the request -> its response to wait for; `None`: the connection had died, not a byte was written.

        Between the look at the connection and the write nothing else can run.
        """
        transport = self._transport
        if transport is None or self._ended or transport.is_closing():
            return None
        response = Response(self, self._loop)
        self._parser.expect(response, head_only)
        data = body.data
        if data is None:
            transport.write(head)
        elif len(data) <= _JOIN_BYTES:
            transport.write(head + data)
        else:
            transport.writelines((head, data))
        if transport.is_closing():  # the first write itself was refused: nothing left this machine
            return None
        self._response = response
        if data is None:
            response.upload = Upload(self, body, self._uploaded)
        return response

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._clear()

    # Line and Sink: what a response and an upload need

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.usable and self._transport is not None:
            self._transport.write(data)

    def unwritten(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def drained(self) -> None:
        if self._drained is not None:
            await self._drained

    def _uploaded(self, why: str) -> None:
        if why:
            self._fail(why)
        elif self._response is not None:
            self._response.wake()

    def _time_is_up(self) -> None:
        if self._response is not None:
            self._response.wake(in_time=False)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Told about every byte that waits (1, not 0: over TLS a limit of 0 counts an empty buffer as full).
        self._transport.set_write_buffer_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self.drop()  # nobody asked
            return
        arrived, received = response.arrived, response.received
        try:
            self._parser.feed(response, data)
        except Malformed as error:
            self._fail(str(error))
            return
        if response.whole:
            self._finish(response)
        elif response.waiter is not None and (response.received != received or response.arrived is not arrived):
            response.wake()

    def eof_received(self) -> None:
        self._ended = True
        response = self._response
        if response is not None and response.arrived and self._parser.until_end and self._said_goodbye():
            response.whole = True
            self._finish(response)
        else:
            self._fail("the connection closed before the answer was whole")

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._transport = None
        self._fail(f"the connection {'broke' if exc else 'closed'} before the answer was whole")

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self._response is not None:
            self._response.wake()

    # Ends

    def _finish(self, response: Response) -> None:
        unsent = self._drained is not None or (response.upload is not None and response.upload.running)
        self._response = None
        paused = response.paused
        response.finish()
        parser = self._parser
        if parser.surplus or unsent or parser.until_end or not parser.reusable or not self.usable:
            self.drop()
            return
        if paused:
            self.resume_reading()
        self._keeper.give_back(self)

    def _fail(self, why: str) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.lose(f"{self.host}: {why}")
        self.drop()

    def _said_goodbye(self) -> bool:
        """Over TLS an end counts only with a close_notify: without it anybody could have cut the answer short."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is None:
            return True
        try:
            return bool(tls.read(1) == b"")
        except ssl.SSLError:
            return False

    def _clear(self) -> None:
        self.deadline.close()
        self._response = None
        self._parser.close()
        self._ended = True
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        self._keeper.forget(self)

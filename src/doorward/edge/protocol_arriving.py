"""One request's body as it arrives, and whether anybody still waits for its answer."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl


class Flow(FlowControl):
    """Remembers when reading was last paused by us, which is no stall of the client's."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self.resumed_s = 0.0

    def resume_reading(self) -> None:
        if self.read_paused:
            self.resumed_s = self._loop.time()
            super().resume_reading()


class Arriving:
    """ASGI's `receive`, and what the connection tells it."""

    __slots__ = ("_body", "_more", "_news", "_waits", "disconnected", "expects_continue", "flow", "response_complete", "transport")

    def __init__(self, transport: asyncio.Transport, flow: Flow, expects_continue: bool) -> None:
        self.transport = transport
        self.flow = flow
        self.expects_continue = expects_continue
        self.disconnected = False
        self.response_complete = False
        self._body: bytes | bytearray = b""
        self._more = True
        self._news = False
        """There is something for `receive`."""
        self._waits: asyncio.Event | None = None

    def heard(self, body: bytes) -> None:
        """A piece of the request's body."""
        if not self._body:
            self._body = body
        else:
            held = self._body
            if not isinstance(held, bytearray):
                held = self._body = bytearray(held)
            held += body
        if len(self._body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self._notify()

    def heard_all(self) -> None:
        """The request is whole. Reading goes on (a large last piece paused it), so that a client that leaves is heard."""
        self._more = False
        self._notify()
        self.flow.resume_reading()

    async def receive(self) -> Any:
        """ASGI's `receive`."""
        if self.expects_continue:
            self.expects_continue = False
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            if not self._news:
                if self._waits is None:
                    self._waits = asyncio.Event()
                await self._waits.wait()
            self._news = False
            if self._waits is not None:
                self._waits.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self._more}

    def _notify(self) -> None:
        self._news = True
        if self._waits is not None:
            self._waits.set()

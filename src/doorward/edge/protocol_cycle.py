"""One request and its answer on a connection: an ASGI cycle, with our errors in place of plain text.

Doors that speak ASGI get `receive` and `send`. The bare ones (`edge/answering.py`) say `begin`, `say` and `end` to the cycle
itself, which is found in the scope: a call passes here for its head and for each event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from uvicorn._types import ASGI3Application

from doorward.core.errors import DoorwardError, Unavailable
from doorward.core.exchange import Gone, Header
from doorward.edge.protocol_answer_head import compose
from doorward.edge.protocol_arriving import Arriving, Flow
from doorward.wire import envelope

_log = logging.getLogger("doorward.edge")

CYCLE = "doorward.cycle"
"""Where the scope has it."""
_BROKEN = "Something went wrong inside Doorward; its log has this request id."
_JOINED_BYTES = 65536
"""Up to here copying a body behind its head is cheaper than a second system call."""
STOPPING = "Doorward is stopping; send the call again."


class Line(Protocol):
    """What a cycle needs of its connection."""

    transport: asyncio.Transport
    flow: Flow
    loop: asyncio.AbstractEventLoop

    def date_lines(self) -> Sequence[bytes]:
        """Of the head, those that every answer has."""

    def on_response_complete(self) -> None:
        """The next request may be answered."""


class Cycle(Arriving):
    """`gone` happens when the client leaves before its answer is whole."""

    __slots__ = (
        "_head",
        "_left_bytes",
        "_line",
        "_scope",
        "_to_head",
        "answered_with",
        "chunked",
        "gone",
        "keep_alive",
        "request_id",
        "response_started",
        "told",
    )

    def __init__(
        self, line: Line, scope: dict[str, Any], gone: Gone, request_id: str, keep_alive: bool, expects_continue: bool
    ) -> None:
        super().__init__(line.transport, line.flow, expects_continue)
        self._line = line
        self._scope: dict[str, Any] | None = scope
        self._to_head = scope["method"] == "HEAD"
        self.gone = gone
        self.request_id = request_id
        self.keep_alive = keep_alive
        self.answered_with: Sequence[Header] = ()
        self.response_started = False
        self.chunked = False
        self.told = False
        """It was ended from outside (`tell`): nothing of the app's is passed on any more."""
        self._head = b""
        self._left_bytes = 0
        """Of the answer's body, where its length was said."""

    def leave(self) -> None:
        """The client has gone: `receive` says so, and whoever waits on `gone` is told at once."""
        if not self.response_complete:
            self.disconnected = True
            self._notify()
            self.gone.happen()

    # The answer

    def begin(self, status: int, headers: Sequence[Header]) -> None:
        """The head. It waits for the first body bytes, so that a short answer is one packet and one system call."""
        if self.disconnected or self.told:
            return
        self._compose(status, headers)
        # Whoever sends a head and then waits for its body still shows the head at once.
        self._line.loop.call_soon(self._send_head)

    def say(self, body: bytes) -> None:
        """A piece of the body."""
        if not self.disconnected and not self.told and body:
            self._pass(body, more=True)

    def end(self, body: bytes = b"") -> None:
        """The last piece."""
        if not self.disconnected and not self.told:
            self._pass(body, more=False)

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """All of it at once."""
        if not self.disconnected and not self.told:
            self._compose(status, headers)
            self._pass(body, more=False)

    async def send(self, message: Any) -> None:
        """ASGI's `send`."""
        if self.disconnected or self.told:
            return
        if self.flow.write_paused:
            await self.flow.drain()
            if self.disconnected or self.told:
                return
        if message["type"] == "http.response.start":
            self.begin(message["status"], tuple(message.get("headers", ())))
        elif self.response_started and not self.response_complete:
            self._pass(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} is out of order")

    async def run_asgi(self, app: ASGI3Application) -> None:
        scope, self._scope = self._scope, None  # which has this cycle: neither should have to be found by the collector
        try:
            await app(scope, self.receive, self.send)  # type: ignore[arg-type]  # a scope is a dict
        except asyncio.CancelledError:
            self._end_early(Unavailable(STOPPING, retry_after_s=1))
        except Exception:  # noqa: BLE001 - the last one to catch: whatever the app raises, the client gets an answer
            _log.exception("a request ended in an exception", extra={"request_id": self.request_id})
            self._end_early(DoorwardError(_BROKEN))
        else:
            if not self.response_complete and not self.disconnected:
                if not self.response_started:
                    _log.error("a request was left without an answer", extra={"request_id": self.request_id})
                self._end_early(DoorwardError(_BROKEN))

    # Ends that the app did not choose

    def tell(self, error: DoorwardError) -> None:
        """End the answer with `error` without waiting for the app, of which nothing is passed on any more.

        A stream gets one error event and its end. Another answer that has begun is left to be broken off (`_end_early`).
        """
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            headers, content = envelope.answer(error, self.request_id)
            self._compose(error.status, [*headers, (b"connection", b"close")])
        elif self._is_stream():
            content = envelope.event(error)
        else:
            return
        self.keep_alive = False
        self.told = True
        self._pass(content, more=False)

    def _end_early(self, error: DoorwardError) -> None:
        """An answer that has begun is never made to look whole: a stream gets one error event, then the connection closes."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            headers, content = envelope.answer(error, self.request_id)
            self.answer(error.status, [*headers, (b"connection", b"close")], content)
            return
        self._send_head()
        if self._is_stream():
            event = envelope.event(error)
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.transport.close()

    def _is_stream(self) -> bool:
        events = any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.answered_with)
        return events and self.chunked

    # Bytes out

    def _compose(self, status: int, headers: Sequence[Header]) -> None:
        if self.response_started:
            raise RuntimeError("an answer begins once")
        self.response_started = True
        self.expects_continue = False
        self.answered_with = headers
        head = compose(status, headers, self._line.date_lines(), to_head=self._to_head, keeps=self.keep_alive)
        self._head, self.chunked, self._left_bytes, self.keep_alive = head.data, head.chunked, head.length_bytes, head.keeps

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)

    def _pass(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if self.chunked:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                body += b"0\r\n\r\n"
        elif self._to_head:
            self._left_bytes = 0
            body = b""
        elif len(body) > self._left_bytes:
            raise RuntimeError("the answer is longer than its Content-Length")
        else:
            self._left_bytes -= len(body)
        if head and len(body) > _JOINED_BYTES:
            self.transport.write(head)
            self.transport.write(body)
        elif head or body:
            self.transport.write(head + body)
        if not more:
            if self._left_bytes:
                raise RuntimeError("the answer is shorter than its Content-Length")
            self.response_complete = True
            self._notify()
            if not self.keep_alive:
                self.transport.close()
            self._line.on_response_complete()

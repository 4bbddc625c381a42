"""One request and its answer on a connection: uvicorn's cycle, with our errors in place of its plain text."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from doorward.core.errors import DoorwardError, Unavailable
from doorward.core.exchange import Gone, Header
from doorward.wire import envelope

_log = logging.getLogger("doorward.edge")

_BROKEN = "Something went wrong inside Doorward; its log has this request id."
_UNFIT = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_UNFIT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_JOINED_BYTES = 65536
"""Up to here copying a body behind its head is cheaper than a second system call."""
STOPPING = "Doorward is stopping; send the call again."


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


class Cycle(RequestResponseCycle):
    """`gone` happens when the client leaves before its answer is whole."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop, gone: Gone, request_id: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.gone = gone
        self.request_id = request_id
        self.answered_with: Sequence[Header] = ()
        self.loop = loop
        self._head = b""
        self._told = False

    def leave(self) -> None:
        """The client has gone: `receive` says so, and whoever waits on `gone` is told at once."""
        if not self.response_complete:
            self.disconnected = True
            self.message_event.set()
            self.gone.happen()

    def tell(self, error: DoorwardError) -> None:
        """End the answer with `error` without waiting for the app, of which nothing is passed on any more.

        A stream gets one error event and its end. Another answer that has begun is left to be broken off (`_end_early`).
        """
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            headers, content = envelope.answer(error, self.request_id)
            self._begin({"status": error.status, "headers": [*headers, (b"connection", b"close")]})
        elif self._is_stream():
            content = envelope.event(error)
        else:
            return
        self.keep_alive = False
        self._told = True
        self._pass(content, more=False)

    async def run_asgi(self, app: ASGI3Application) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            await self._end_early(Unavailable(STOPPING, retry_after_s=1))
        except Exception:  # noqa: BLE001 - the last one to catch: whatever the app raises, the client gets an answer
            _log.exception("a request ended in an exception", extra={"request_id": self.request_id})
            await self._end_early(DoorwardError(_BROKEN))
        else:
            if not self.response_complete and not self.disconnected:
                if not self.response_started:
                    _log.error("a request was left without an answer", extra={"request_id": self.request_id})
                await self._end_early(DoorwardError(_BROKEN))
        finally:
            self.on_response = lambda: None

    async def send_500_response(self) -> None:
        await self._answer(DoorwardError(_BROKEN))

    async def _answer(self, error: DoorwardError) -> None:
        headers, content = envelope.answer(error, self.request_id)
        headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content, "more_body": False})

    async def _end_early(self, error: DoorwardError) -> None:
        """An answer that has begun is never made to look whole: a stream gets one error event, then the connection closes."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            await self._answer(error)
            return
        self._send_head()
        if self._is_stream():
            event = envelope.event(error)
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.transport.close()

    def _is_stream(self) -> bool:
        events = any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.answered_with)
        return events and bool(self.chunked_encoding)

    async def send(self, message: Any) -> None:
        """ASGI's `send`. The head waits for the first body bytes, so that a short answer is one packet and one system call."""
        if self.disconnected or self._told:
            return
        if self.flow.write_paused:
            await self.flow.drain()
            if self.disconnected or self._told:
                return
        if message["type"] == "http.response.start":
            self._begin(message)
        elif self.response_started and not self.response_complete:
            self._pass(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} is out of order")

    def _begin(self, message: Any) -> None:
        if self.response_started:
            raise RuntimeError("an answer begins once")
        self.response_started = True
        self.waiting_for_100_continue = False
        status: int = message["status"]
        self.answered_with = headers = tuple(message.get("headers", ()))
        if not _are_fit(headers):
            raise RuntimeError("a header of the answer holds characters that are not allowed there")
        lines = [STATUS_LINE[status]]
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in headers:
            if name == b"content-length":
                self.chunked_encoding = False
                self.expected_content_length = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status >= 200 and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)
        # Whoever sends a head and then waits for its body still shows the head at once.
        self.loop.call_soon(self._send_head)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)

    def _pass(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            if body:
                body = b"%x\r\n%b\r\n" % (len(body), body)
            if not more:
                body += b"0\r\n\r\n"
        elif len(body) > self.expected_content_length:
            raise RuntimeError("the answer is longer than its Content-Length")
        else:
            self.expected_content_length -= len(body)
        if len(body) > _JOINED_BYTES:
            if head:
                self.transport.write(head)
            self.transport.write(body)
        elif head or body:
            self.transport.write(head + body)
        if not more:
            if self.expected_content_length:
                raise RuntimeError("the answer is shorter than its Content-Length")
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _are_fit(headers: Sequence[Header]) -> bool:
    """All at once: what is allowed in one name or value is allowed in all of them, end to end."""
    if _UNFIT.search(b"".join([name for name, _ in headers])):
        return False
    return _UNFIT_VALUE.search(b"".join([value for _, value in headers])) is None

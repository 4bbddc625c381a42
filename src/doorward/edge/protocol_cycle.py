"""One request and its answer on a connection: uvicorn's cycle, with our errors in place of its plain text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from doorward.core.errors import DoorwardError, Unavailable
from doorward.core.exchange import Gone, Header
from doorward.wire import envelope

_log = logging.getLogger("doorward.edge")

_BROKEN = "Something went wrong inside Doorward; its log has this request id."
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

    def __init__(self, *, gone: Gone, request_id: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.gone = gone
        self.request_id = request_id
        self.answered_with: Iterable[Header] = ()

    def leave(self) -> None:
        """The client has gone: `receive` says so, and whoever waits on `gone` is told at once."""
        if not self.response_complete:
            self.disconnected = True
            self.message_event.set()
            self.gone.happen()

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
        is_stream = any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self.answered_with)
        if is_stream and self.chunked_encoding:
            event = envelope.event(error)
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.transport.close()

    def send(self, message: Any) -> Coroutine[Any, Any, None]:  # not `async`: one coroutine less for each event
        if not self.response_started:
            self.answered_with = message.get("headers", ())
        return super().send(message)

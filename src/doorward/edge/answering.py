"""The response's side of one call on a bare ASGI door: starts once, ends once, and turns errors into what is still possible."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from doorward.core.errors import DoorwardError, Unavailable
from doorward.core.exchange import Gone, Header, Reply, header
from doorward.edge.body import ClientLeft
from doorward.telemetry.logs import named
from doorward.wire import envelope

Send = Callable[[dict[str, Any]], Awaitable[None]]

log = named("doorward.call")

_UNGATHERED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class Answering:
    __slots__ = ("_send", "_started", "_streamed", "ended_by", "request_id")

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self._send = send
        self._started = False
        self._streamed = False
        self.ended_by: DoorwardError | None = None
        """Why this side cancelled the call while it was open: the right to it has ended."""

    async def start(self, reply: Reply) -> None:
        headers: list[Header] = [*reply.headers, (b"x-request-id", self.request_id.encode())]
        self._streamed = reply.streamed
        if reply.streamed:
            # A proxy in front must not gather events (nginx obeys this header).
            headers += [item for item in _UNGATHERED if header(headers, item[0]) is None]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        self._started = True

    async def send_chunk(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def pass_on(
        self, opened: AbstractAsyncContextManager[Reply], watched: Callable[[], AbstractContextManager[object]]
    ) -> None:
        """Give a call's reply to the client while its block is open; `watched()` stands around one that comes in pieces.

        The end is sent after everything held was given back: who reads it may count on a settled call.
        """
        whole = b""
        async with opened as reply:
            if reply.whole:
                whole = b"".join([chunk async for chunk in reply.chunks])
            else:
                with watched():
                    await self.start(reply)
                    send = self._send
                    async for chunk in reply.chunks:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if reply.whole:
            await self.start(reply)
        await self.end(whole)

    async def fail(self, error: DoorwardError) -> None:
        """Before the head: a status. In a stream: one error event and the end, without `[DONE]`. Else: a broken connection."""
        if not self._started:
            body = envelope.body(error)
            headers = envelope.headers(error, self.request_id)
            await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
            self._started = True
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
        elif self._streamed:
            await self.send_chunk(envelope.event(error))
            await self.end()


async def answered(scope: Mapping[str, Any], send: Send, work: Callable[[Answering], Awaitable[None]]) -> None:
    """Do `work`, which answers; whatever it raises becomes an answer, and a client that goes away cancels it at once."""
    answer = Answering(scope["doorward.request_id"], send)
    gone: Gone = scope["doorward.gone"]
    task = asyncio.current_task()
    assert task is not None
    gone.then(task.cancel)
    try:
        await work(answer)
    except ClientLeft:
        pass
    except DoorwardError as error:
        await answer.fail(error)
    except asyncio.CancelledError:
        if answer.ended_by is not None and not gone.happened:
            task.uncancel()
            await answer.fail(answer.ended_by)
            return
        if not gone.happened:  # the server is stopping: the client is told, then the task ends
            await answer.fail(Unavailable("Doorward is stopping. Send the request again.", retry_after_s=1))
            raise
        task.uncancel()
    except Exception as cause:  # the last resort: whatever was not foreseen is a 500 in shape, and a line in the log
        log.exception("internal_error", request_id=answer.request_id, cause=type(cause).__name__)
        await answer.fail(DoorwardError("Doorward failed inside. The log has the cause under this request id."))
    finally:
        gone.forget(task.cancel)

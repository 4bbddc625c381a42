"""The response's side of one call on a bare ASGI door: starts once, ends once, and turns errors into what is still possible.

It speaks to the connection's cycle and not through ASGI's messages: of those a stream would make one for each event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from doorward.core.caller import Caller
from doorward.core.errors import DoorwardError, InvalidApiKey, Unavailable
from doorward.core.exchange import Gone, Header, Reply, header
from doorward.edge.body import ClientLeft
from doorward.edge.protocol_cycle import Cycle
from doorward.identity.vigil import Vigil
from doorward.telemetry.logs import named
from doorward.wire import envelope

log = named("doorward.call")

_UNGATHERED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class Answering:
    __slots__ = ("_cycle", "_started", "_streamed", "ended_by", "request_id")

    def __init__(self, cycle: Cycle) -> None:
        self.request_id = cycle.request_id
        self._cycle = cycle
        self._started = False
        self._streamed = False
        self.ended_by: DoorwardError | None = None
        """Why this side cancelled the call while it was open: the right to it has ended."""

    async def pass_on(self, opened: AbstractAsyncContextManager[Reply], vigil: Vigil, caller: Caller) -> None:
        """Give a call's reply to the client while its block is open; the vigil stands around one that comes in pieces.

        The end is sent after everything held was given back: who reads it may count on a settled call.
        """
        cycle = self._cycle
        whole = b""
        async with opened as reply:
            if reply.whole:
                pieces = [piece async for piece in reply.chunks]
                whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            else:
                with vigil.over(caller, self._ending()):
                    cycle.begin(reply.status, self._headers(reply))
                    flow = cycle.flow
                    async for piece in reply.chunks:
                        cycle.say(piece)
                        if flow.write_paused:
                            await flow.drain()
        if reply.whole:
            cycle.answer(reply.status, self._headers(reply), whole)
        else:
            cycle.end()

    def fail(self, error: DoorwardError) -> None:
        """Before the head: a status. In a stream: one error event and the end, without `[DONE]`. Else: a broken connection."""
        if not self._started:
            self._started = True
            self._cycle.answer(error.status, envelope.headers(error, self.request_id), envelope.body(error))
        elif self._streamed:
            self._cycle.end(envelope.event(error))

    def _headers(self, reply: Reply) -> list[Header]:
        """Those of an answer that begins now."""
        self._started = True
        self._streamed = reply.streamed
        headers = [*reply.headers, (b"x-request-id", self.request_id.encode())]
        if reply.streamed:
            # A proxy in front must not gather events (nginx obeys this header).
            headers += [item for item in _UNGATHERED if header(headers, item[0]) is None]
        return headers

    def _ending(self) -> Callable[[], None]:
        """What ends an open answer of this task when its caller's key, session or role is gone (I9)."""
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            self.ended_by = InvalidApiKey("This key or session was ended while its answer was open.")
            task.cancel()

        return end


async def answered(scope: Mapping[str, Any], answer: Answering, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, which answers; whatever it raises becomes an answer, and a client that goes away cancels it at once."""
    gone: Gone = scope["doorward.gone"]
    task = asyncio.current_task()
    assert task is not None
    leave = task.cancel
    gone.then(leave)
    try:
        await work
    except ClientLeft:
        pass
    except DoorwardError as error:
        answer.fail(error)
    except asyncio.CancelledError:
        if answer.ended_by is not None and not gone.happened:
            task.uncancel()
            answer.fail(answer.ended_by)
            return
        if not gone.happened:  # the server is stopping: the client is told, then the task ends
            answer.fail(Unavailable("Doorward is stopping. Send the request again.", retry_after_s=1))
            raise
        task.uncancel()
    except Exception as cause:  # the last resort: whatever was not foreseen is a 500 in shape, and a line in the log
        log.exception("internal_error", request_id=answer.request_id, cause=type(cause).__name__)
        answer.fail(DoorwardError("Doorward failed inside. The log has the cause under this request id."))
    finally:
        gone.forget(leave)

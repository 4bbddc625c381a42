"""The status is held for the first event on routes with a fallback, but at most `hold_s` (R30).

After that the client gets 200 and a comment every `hold_s`, so that nothing on the way gives up on the connection;
failover stays possible until the first event, and a failure becomes an error event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import Header, Reply
from doorward.wire import envelope

WAITING = b": waiting\n\n"
_HEAD: list[Header] = [(b"content-type", b"text/event-stream; charset=utf-8")]


class Gate:
    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    def through(self, answering: AbstractAsyncContextManager[Reply]) -> Gated:
        return Gated(answering, self._hold_s)


class Gated:
    """The block in which one call's answer is read. Hand-written, because an exit stack costs more than the task.

    The attempts run in a task of their own, so that waiting for them can be interrupted without ending them: a
    coroutine that waits for an upstream cannot be left and taken up again.
    """

    __slots__ = ("_answering", "_hold_s", "_loop", "_starting")

    def __init__(self, answering: AbstractAsyncContextManager[Reply], hold_s: float) -> None:
        self._answering = answering
        self._hold_s = hold_s
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Reply:
        self._starting: asyncio.Task[Reply] = self._loop.create_task(self._start())
        try:
            if await self._in_time():
                return self._starting.result()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return Reply(200, list(_HEAD), self._late(), streamed=True)

    async def _start(self) -> Reply:
        return await self._answering.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        starting = self._starting
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        # A client that left before it was told has no use for an error.
        if not starting.cancelled() and starting.exception() is None:
            await self._answering.__aexit__(kind, error, trace)

    async def _in_time(self) -> bool:
        """Wait for the start, but not longer than the hold -> whether it has come. One timer and one future."""
        starting = self._starting
        waiter: asyncio.Future[None] = self._loop.create_future()

        def wake(_: object = None) -> None:
            if not waiter.done():
                waiter.set_result(None)

        timer = self._loop.call_later(self._hold_s, wake)
        starting.add_done_callback(wake)
        try:
            await waiter
        finally:
            timer.cancel()
            starting.remove_done_callback(wake)
        return starting.done()

    async def _late(self) -> AsyncIterator[bytes]:
        in_time = False
        while not in_time:
            yield WAITING
            in_time = await self._in_time()
        reply = self._starting.result()
        if not reply.streamed:
            body = b"".join([chunk async for chunk in reply.chunks])
            if reply.status >= 400:
                # What would have been a status is an error now, raised: nobody may take this answer for a whole one.
                raise _told_late(body)
            yield b"data: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"
            yield b"data: [DONE]\n\n"
            return
        async for chunk in reply.chunks:
            yield chunk


def _told_late(body: bytes) -> UpstreamFailed:
    said = envelope.read_upstream(body)
    error = UpstreamFailed(said.message or "The upstream refused the call.", param=said.param, code=said.code)
    error.type = said.type or error.type
    return error

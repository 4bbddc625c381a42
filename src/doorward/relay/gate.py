"""The status is held for the first event on routes with a fallback, but at most `hold_s` (R30).

After that the client gets 200 and a comment every `hold_s`, so that nothing on the way gives up on the connection;
failover stays possible until the first event, and a failure becomes an error event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import Header, Reply
from doorward.relay.start import Start
from doorward.wire import envelope

WAITING = b": waiting\n\n"
_HEAD: list[Header] = [(b"content-type", b"text/event-stream; charset=utf-8")]


class Gate:
    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    def through(self, answering: AbstractAsyncContextManager[Reply]) -> Gated:
        return Gated(answering, self._hold_s)


class Gated:
    """The block in which one call's answer is read. Hand-written, because an exit stack costs more than what it holds."""

    __slots__ = ("_answering", "_hold_s", "_start")

    def __init__(self, answering: AbstractAsyncContextManager[Reply], hold_s: float) -> None:
        self._answering = answering
        self._hold_s = hold_s

    async def __aenter__(self) -> Reply:
        self._start = start = Start(self._answering.__aenter__())
        if await start.within(self._hold_s):
            assert start.reply is not None
            return start.reply
        return Reply(200, list(_HEAD), self._late(), streamed=True)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._start.is_over:
            await self._start.abandon()
        if self._start.reply is not None:
            await self._answering.__aexit__(kind, error, trace)

    async def _late(self) -> AsyncIterator[bytes]:
        in_time = False
        while not in_time:
            yield WAITING
            in_time = await self._start.within(self._hold_s)
        reply = self._start.reply
        assert reply is not None
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

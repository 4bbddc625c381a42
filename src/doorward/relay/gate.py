"""The status is held for the first event on routes with a fallback, but at most `hold_s` (R30).

After that the client gets 200 and a comment every `hold_s`, so that nothing on the way gives up on the connection;
failover stays possible until the first event, and a failure becomes an error event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import Header, Reply
from doorward.wire import envelope

WAITING = b": waiting\n\n"
_HEAD: list[Header] = [(b"content-type", b"text/event-stream; charset=utf-8")]


class Gate:
    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    @asynccontextmanager
    async def through(self, answering: AbstractAsyncContextManager[Reply]) -> AsyncIterator[Reply]:
        async with AsyncExitStack() as stack:
            # The attempts run in a task of their own, so that waiting for them can be interrupted without ending them.
            starting = asyncio.ensure_future(stack.enter_async_context(answering))
            stack.push_async_callback(_ended, starting)
            done, _ = await asyncio.wait({starting}, timeout=self._hold_s)
            if done:
                yield starting.result()
            else:
                yield Reply(200, list(_HEAD), self._late(starting), streamed=True)

    async def _late(self, starting: asyncio.Future[Reply]) -> AsyncIterator[bytes]:
        while not starting.done():
            yield WAITING
            await asyncio.wait({starting}, timeout=self._hold_s)
        reply = starting.result()
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


async def _ended(starting: asyncio.Future[Reply]) -> None:
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    if not starting.cancelled():
        starting.exception()  # a client that left before it was told has no use for it

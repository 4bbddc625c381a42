"""An answer's start waited for in pieces: it goes on where it was left, and is ended as a task would be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from doorward.core.exchange import Reply
from doorward.relay.start import Start


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


REPLY = Reply(200, [], nothing())


class Upstream:
    """What an answer waits for, and what became of the waiting."""

    def __init__(self) -> None:
        self.news: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.ended = ""

    async def answer(self) -> Reply:
        try:
            await asyncio.sleep(0)
            return await self.news
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)  # giving back may take a moment
            self.ended = "left"
            raise


async def test_waiting_stops_and_goes_on() -> None:
    up = Upstream()
    start = Start(up.answer())
    assert not await start.within(0.01)
    assert not await start.within(0.01)
    asyncio.get_running_loop().call_later(0.02, up.news.set_result, REPLY)
    assert await start.within(5)
    assert start.reply is REPLY
    assert start.is_over


async def test_what_came_while_nobody_waited_is_there() -> None:
    up = Upstream()
    start = Start(up.answer())
    assert not await start.within(0.01)
    up.news.set_result(REPLY)
    await asyncio.sleep(0.01)
    assert await start.within(0)
    assert start.reply is REPLY


async def test_an_error_is_its_waiters() -> None:
    up = Upstream()
    start = Start(up.answer())
    asyncio.get_running_loop().call_soon(up.news.set_exception, OSError("lost"))
    with pytest.raises(OSError, match="lost"):
        await start.within(5)
    assert start.is_over
    assert start.reply is None


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.03])
async def test_a_cancelled_waiter_ends_what_it_waits_for(after_s: float) -> None:
    up = Upstream()
    start = Start(up.answer())
    waiter = asyncio.ensure_future(_waits(start))
    await asyncio.sleep(after_s)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert start.is_over
    if after_s:
        assert up.news.cancelled()
        assert up.ended == "left"


async def _waits(start: Start) -> bool:
    while not await start.within(0.01):
        pass
    return True


async def test_a_cancellation_that_meets_an_answer_is_not_lost() -> None:
    """As in a task: what was awaited has come, and yet the next thing that the coroutine sees is its end."""
    up = Upstream()
    start = Start(up.answer())
    waiter = asyncio.ensure_future(_waits(start))
    await asyncio.sleep(0.001)
    up.news.set_result(REPLY)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert up.ended == "left"


async def test_a_limit_inside_interrupts_the_inside_alone() -> None:
    async def limited() -> Reply:
        try:
            async with asyncio.timeout(0.02):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return REPLY
        raise AssertionError

    start = Start(limited())
    assert not await start.within(0.005)
    assert await start.within(5)
    assert start.reply is REPLY
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_abandoned_start_gives_back_first() -> None:
    up = Upstream()
    start = Start(up.answer())
    assert not await start.within(0.01)
    await start.abandon()
    assert up.ended == "left"
    assert up.news.cancelled()
    assert start.is_over

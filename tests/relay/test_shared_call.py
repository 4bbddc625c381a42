"""What one shared call holds in memory, and for whom."""

from __future__ import annotations

import asyncio

import pytest

from doorward.core.errors import Unavailable
from doorward.core.exchange import Reply
from doorward.relay.recording import LARGEST_BYTES
from doorward.relay.shared_call import MOST_BEHIND_BYTES, SharedCall

PIECE = b"x" * 100_000


async def nothing():  # type: ignore[no-untyped-def]
    return
    yield b""


def running() -> SharedCall:
    task = asyncio.current_task()
    assert task is not None
    call = SharedCall(task, finishes=False)
    call.began(Reply(200, [], nothing(), True))
    return call


async def test_nobody_can_join_what_is_no_longer_held_whole() -> None:
    call = running()
    while call.size <= LARGEST_BYTES:
        assert call.can_be_joined
        call.said(PIECE)
    assert not call.can_be_joined
    assert len(call.chunks) == 0, "without followers nothing is held"


async def test_a_follower_hears_everything_in_order() -> None:
    call = running()
    call.said(b"one")
    follower = call.join()
    reply = await follower.reply()
    call.said(b"two")
    assert await anext(reply.chunks) == b"one"
    assert await anext(reply.chunks) == b"two"
    later = asyncio.ensure_future(anext(reply.chunks))
    await asyncio.sleep(0)
    call.said(b"three")
    assert await later == b"three"
    call.ended(None)
    with pytest.raises(StopAsyncIteration):
        await anext(reply.chunks)


async def test_what_is_held_is_bounded_by_the_slowest_and_one_too_slow_is_cut_off() -> None:
    call = running()
    slow, quick = call.join(), call.join()
    slow_reply, quick_reply = await slow.reply(), await quick.reply()
    for _ in range(200):
        call.said(PIECE)
        assert await anext(quick_reply.chunks) == PIECE
        assert sum(map(len, call.chunks)) <= MOST_BEHIND_BYTES + len(PIECE)
    with pytest.raises(Unavailable, match="too slowly"):
        await anext(slow_reply.chunks)
    assert sum(map(len, call.chunks)) <= len(PIECE)


async def test_a_dying_call_is_not_joined() -> None:
    started = asyncio.Event()

    async def work() -> SharedCall:
        call = running()
        calls.append(call)
        started.set()
        await asyncio.sleep(30)
        return call

    calls: list[SharedCall] = []
    task = asyncio.create_task(work())
    await started.wait()
    calls[0].first_left()
    assert not calls[0].can_be_joined
    with pytest.raises(asyncio.CancelledError):
        await task

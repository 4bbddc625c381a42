"""Too many calls: a short fair queue, then an early 503 that says when; nothing leaks, whatever is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.clock import FakeClock

from doorward.core.errors import Unavailable
from doorward.relay.admission import LEAST_OPEN, TICK_S, Admission


def admission(**changes: Any) -> Admission:
    given: dict[str, Any] = {"max_open": 2, "max_waiting": 4, "wait_s": 5.0, "memory_bytes": 10**12, "memory": lambda: 0}
    return Admission(FakeClock(), **{**given, **changes})


async def waiting(door: Admission, calls: int) -> None:
    while door.waiting < calls:
        await asyncio.sleep(0)


async def test_a_free_place_is_taken_at_once_and_given_back() -> None:
    door = admission()
    async with door.place("a"), door.place("a"):
        assert door.open == 2
    assert (door.open, door.waiting) == (0, 0)


async def test_owners_take_turns() -> None:
    door = admission(max_open=1, max_waiting=10)
    order: list[str] = []

    async def call(owner: str) -> None:
        async with door.place(owner):
            order.append(owner)

    async with door.place("first"):
        calls = [asyncio.create_task(call(owner)) for owner in ("loud", "loud", "loud", "quiet", "other")]
        await waiting(door, 5)
    await asyncio.gather(*calls)
    assert order == ["loud", "quiet", "other", "loud", "loud"]


async def test_a_full_queue_refuses_at_once_and_says_when() -> None:
    door = admission(max_open=1, max_waiting=1)
    async with door.place("a"):
        waits = asyncio.create_task(door.enter("a"))
        await waiting(door, 1)
        with pytest.raises(Unavailable) as refused:
            await door.enter("a")
        assert refused.value.code == "overloaded"
        assert refused.value.should_retry is None, "waiting a little helps"
        assert 1 <= (refused.value.retry_after_s or 0) <= 30
    await waits
    door.leave()
    assert (door.open, door.waiting, door.refused) == (0, 0, 1)


async def test_a_quiet_owner_takes_its_place_from_the_loudest() -> None:
    door = admission(max_open=1, max_waiting=3)
    async with door.place("loud"):
        loud = [asyncio.create_task(door.enter("loud")) for _ in range(3)]
        await waiting(door, 3)
        quiet = asyncio.create_task(door.enter("quiet"))
        with pytest.raises(Unavailable):
            await loud[2]
        assert door.waiting == 3
    for _ in range(3):
        done, _ = await asyncio.wait({*loud[:2], quiet}, return_when=asyncio.FIRST_COMPLETED)
        assert done
        await asyncio.sleep(0)
        door.leave()
    await asyncio.gather(*loud[:2], quiet)


async def test_waiting_ends_in_a_refusal_after_its_time() -> None:
    door = admission(max_open=1, wait_s=0.02)
    async with door.place("a"):
        with pytest.raises(Unavailable):
            await door.enter("b")
    assert (door.open, door.waiting) == (0, 0)


async def test_no_new_call_while_memory_is_short() -> None:
    used = 0
    door = admission(memory_bytes=100, memory=lambda: used)
    door.tick(TICK_S)
    async with door.place("a"):
        used = 101
        door.tick(TICK_S)
        with pytest.raises(Unavailable, match="memory"):
            await door.enter("a")
        used = 99
        door.tick(TICK_S)
        async with door.place("a"):
            pass


async def test_a_late_loop_lowers_the_bound_and_a_quick_one_raises_it_again() -> None:
    door = admission(max_open=1000)
    for _ in range(100):
        await door.enter("a")
    for _ in range(20):
        door.tick(TICK_S + 0.5)
    assert LEAST_OPEN <= door.limit <= 100
    for _ in range(200):
        door.tick(TICK_S)
    assert door.limit == 1000


async def test_cancellations_leak_no_place() -> None:
    rng = random.Random(7)
    door = admission(max_open=5, max_waiting=50)
    most = 0

    async def call(pause: Callable[[], float]) -> None:
        nonlocal most
        with contextlib.suppress(Unavailable):
            async with door.place(f"o{rng.randrange(4)}"):
                most = max(most, door.open)
                await asyncio.sleep(pause())

    calls = [asyncio.create_task(call(lambda: rng.random() * 0.003)) for _ in range(400)]
    for task in calls:
        if rng.random() < 0.5:
            asyncio.get_running_loop().call_later(rng.random() * 0.05, task.cancel)
    await asyncio.gather(*calls, return_exceptions=True)
    assert (door.open, door.waiting, door._waiting) == (0, 0, {})
    assert most <= 5

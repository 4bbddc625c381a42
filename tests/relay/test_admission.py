"""Too many calls: a short fair queue, then an early 503 that says when; nothing leaks, whatever is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, Never
from tests.clock import FakeClock
from tests.house import house
from tests.light_client import LightClient
from tests.scripted import ScriptedUpstream

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


async def test_looking_refuses_whom_entering_would_refuse() -> None:
    door = admission(max_open=1, max_waiting=2)
    door.look("a")
    async with door.place("a"):
        door.look("a")
        waits = [asyncio.create_task(door.enter("a")) for _ in range(2)]
        await waiting(door, 2)
        with pytest.raises(Unavailable):
            door.look("a")
        door.look("b")  # would take its place from the loudest
        assert (door.open, door.waiting) == (1, 2), "looking takes nothing"
    for task in waits:
        await task
        door.leave()
    full = admission(memory=lambda: 10**13)
    full.tick(TICK_S)
    with pytest.raises(Unavailable):
        full.look("a")


async def test_a_refusal_comes_before_the_body(tmp_path: Path) -> None:
    """Of 50 MB that would come, none is waited for: the head alone is answered."""
    async with ScriptedUpstream(Answer((Never(),))) as up, house(tmp_path, max_open_calls=1, max_waiting_calls=0) as home:
        await home.provider("scripted", up.base_url, "m-*", auth="none", prices="free")
        key = await home.key()
        async with LightClient(home.url, key, {"model": "m-1", "messages": []}) as client:
            holds = asyncio.create_task(client.ask())
            await up.wait_for_calls(1)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(home.url.rsplit(":", 1)[1]))
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
            writer.write(f"{head}content-type: application/json\r\ncontent-length: 50000000\r\n\r\n".encode())
            async with asyncio.timeout(5):
                answer = await reader.readuntil(b"}}")
            writer.transport.abort()
            holds.cancel()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in answer
    assert b'"overloaded"' in answer

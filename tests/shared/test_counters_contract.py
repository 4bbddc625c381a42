"""One contract for every `Counters`: in memory, and in a real Redis."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from doorward.core.clock import SystemClock
from doorward.shared.counters import Counters, Limit, Want
from doorward.shared.memory import MemoryCounters
from doorward.shared.redis import RedisCounters, connect


@pytest.fixture(params=["memory", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncIterator[Counters]:
    if request.param == "memory":
        yield MemoryCounters(SystemClock(), seat_ttl_s=0.6)
        return
    redis = connect(request.getfixturevalue("redis_url"), timeout_s=5)
    yield RedisCounters(redis, SystemClock(), prefix=request.getfixturevalue("redis_prefix"), seat_ttl_s=0.6)
    await redis.aclose()


def rate(most: int, window_s: float = 60.0, kind: str = "requests") -> Limit:
    return Limit(uuid.uuid4().hex, kind, most, window_s)  # type: ignore[arg-type]


async def test_takes_up_to_the_limit_and_not_one_more(counters: Counters) -> None:
    limit = rate(5)
    results = [await counters.take([Want(limit)], str(i)) for i in range(6)]
    assert [taken.refused for taken in results] == [None] * 5 + [limit]
    assert [taken.levels[0].remaining for taken in results] == [4, 3, 2, 1, 0, 0]
    assert results[-1].retry_after_s == pytest.approx(12, abs=1.5)


async def test_exact_under_concurrency(counters: Counters) -> None:
    limit = rate(20, 3600)
    results = await asyncio.gather(*(counters.take([Want(limit)], str(i)) for i in range(100)))
    assert sum(taken.refused is None for taken in results) == 20


async def test_all_or_none(counters: Counters) -> None:
    wide, narrow, seats = rate(10, 3600), rate(1, 3600), Limit(uuid.uuid4().hex, "seats", 3)
    await counters.take([Want(narrow)], "a")
    refused = await counters.take([Want(wide), Want(seats), Want(narrow)], "b")
    assert refused.refused == narrow
    assert refused.levels[0].remaining == 10
    taken = await counters.take([Want(wide), Want(seats)], "c")
    assert [level.remaining for level in taken.levels] == [9, 2]


async def test_frees_with_time(counters: Counters) -> None:
    limit = rate(2, 0.4)
    for seat in "ab":
        assert (await counters.take([Want(limit)], seat)).refused is None
    refused = await counters.take([Want(limit)], "c")
    assert refused.refused is limit
    assert refused.retry_after_s is not None
    await asyncio.sleep(refused.retry_after_s + 0.02)
    assert (await counters.take([Want(limit)], "d")).refused is None


async def test_amounts_larger_than_the_limit_never_fit(counters: Counters) -> None:
    limit = rate(100, kind="tokens")
    refused = await counters.take([Want(limit, 101)], "a")
    assert refused.refused == limit
    assert refused.retry_after_s is None


async def test_adjust_gives_back_and_takes_more(counters: Counters) -> None:
    limit = rate(100, 3600, "tokens")
    assert (await counters.take([Want(limit, 90)], "a")).refused is None
    await counters.adjust([Want(limit, -80)])
    assert (await counters.take([Want(limit, 85)], "b")).refused is None
    await counters.adjust([Want(limit, 50)])
    refused = await counters.take([Want(limit, 1)], "c")
    assert refused.refused == limit, "what was used beyond the estimate counts"


async def test_giving_back_more_than_was_taken_makes_no_credit(counters: Counters) -> None:
    limit = rate(10, 3600, "tokens")
    await counters.adjust([Want(limit, -1000)])
    assert (await counters.take([Want(limit, 10)], "a")).refused is None
    assert (await counters.take([Want(limit, 1)], "b")).refused == limit


async def test_seats_come_and_go(counters: Counters) -> None:
    limit = Limit(uuid.uuid4().hex, "seats", 2)
    for seat in "ab":
        assert (await counters.take([Want(limit)], seat)).refused is None
    assert (await counters.take([Want(limit)], "c")).refused == limit
    await counters.leave([limit], "a")
    await counters.leave([limit], "a")
    assert (await counters.take([Want(limit)], "c")).refused is None
    assert (await counters.take([Want(limit)], "d")).refused == limit


async def test_a_seat_whose_holder_died_comes_free_and_a_kept_one_does_not(counters: Counters) -> None:
    limit = Limit(uuid.uuid4().hex, "seats", 2)
    for seat in ("dead", "alive"):
        await counters.take([Want(limit)], seat)
    for _ in range(4):
        await asyncio.sleep(0.2)
        await counters.keep([limit], "alive")
    assert (await counters.take([Want(limit)], "new")).refused is None
    assert (await counters.take([Want(limit)], "one more")).refused == limit


async def test_two_limits_do_not_know_each_other(counters: Counters) -> None:
    one, other = rate(1, 3600), rate(1, 3600)
    assert (await counters.take([Want(one)], "a")).refused is None
    assert (await counters.take([Want(other)], "b")).refused is None


async def test_redis_away_counts_alone_and_quickly() -> None:
    redis = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    counters = RedisCounters(redis, SystemClock())
    limit = rate(2, 3600)
    began = time.monotonic()
    results = [await counters.take([Want(limit)], str(i)) for i in range(3)]
    assert [taken.refused is None for taken in results] == [True, True, False]
    assert time.monotonic() - began < 3
    await redis.aclose()


async def test_memory_forgets_counters_that_are_full_again() -> None:
    from tests.clock import FakeClock

    clock = FakeClock()
    counters = MemoryCounters(clock)
    counters._sweep_at = 100
    for i in range(100):
        await counters.take([Want(Limit(f"old{i}", "requests", 10, 1.0))], "s")
    clock.at += 60
    for i in range(10):
        await counters.take([Want(Limit(f"new{i}", "requests", 10, 1.0))], "s")
    assert len(counters._arrivals) <= 10


class Leaping(SystemClock):
    """Its wall clock jumps an hour to and fro; whoever counts by it resets windows twice."""

    def wall(self) -> float:
        raise AssertionError("limits are counted on a clock that never jumps")


async def test_jumps_of_the_wall_clock_change_nothing() -> None:
    counters = MemoryCounters(Leaping(), seat_ttl_s=0.6)
    limit, seats = rate(2, 3600), Limit(uuid.uuid4().hex, "seats", 1)
    results = [await counters.take([Want(limit)], str(i)) for i in range(3)]
    assert [taken.refused for taken in results] == [None, None, limit]
    await counters.take([Want(seats)], "a")
    await counters.adjust([Want(limit, -1)])
    await counters.keep([seats], "a")
    await counters.leave([seats], "a")


async def test_seats_survive_a_storm_of_cancellations(counters: Counters) -> None:
    """Whoever is cancelled while it takes gives back: leaving is idempotent, so one may always leave."""
    limit = Limit(uuid.uuid4().hex, "seats", 5)
    inside = most = 0

    async def call(seat: str) -> None:
        nonlocal inside, most
        try:
            taken = await counters.take([Want(limit)], seat)
            if taken.refused is None:
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0.002)
                finally:
                    inside -= 1
        finally:
            await asyncio.shield(counters.leave([limit], seat))

    tasks = [asyncio.create_task(call(str(i))) for i in range(120)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            asyncio.get_running_loop().call_later(0.001 * (number % 20), task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert most <= 5
    for seat in "abcde":
        assert (await counters.take([Want(limit)], seat)).refused is None, "a seat leaked"


async def test_tokens_are_trued_up_under_concurrency(counters: Counters) -> None:
    """A thousand held by estimate, ten used: after truing up nothing but what was used is missing."""
    limit = rate(2000, 3600, "tokens")

    async def call(seat: str) -> bool:
        taken = await counters.take([Want(limit, 1000)], seat)
        if taken.refused is None:
            await counters.adjust([Want(limit, 10 - 1000)])
        return taken.refused is None

    passed = [await call(str(i)) for i in range(20)]
    assert all(passed)
    level = (await counters.take([Want(limit, 1)], "last")).levels[0]
    assert level.remaining == pytest.approx(2000 - 20 * 10 - 1, abs=3)


async def test_processes_that_count_alone_allow_the_limit_together() -> None:
    """Each its share: of 10 a minute and 5 seats, three processes allow 3 and 1; a whole number, and at least one."""
    limit, seats, one = rate(10), Limit(uuid.uuid4().hex, "seats", 5), rate(1)
    parts = 3
    processes = [MemoryCounters(SystemClock(), parts=lambda: parts) for _ in range(3)]
    for counters in processes:
        taken = [await counters.take([Want(limit), Want(one)], "") for _ in range(2)]
        assert [each.refused for each in taken] == [None, one]
        rest = [await counters.take([Want(limit)], "") for _ in range(4)]
        assert [each.refused for each in rest] == [None, None, limit, limit]
        assert rest[0].levels[0].remaining == 1
        assert 0 < (rest[-1].retry_after_s or 0) <= 20
        assert [(await counters.take([Want(seats)], seat)).refused for seat in "ab"] == [None, seats]
    parts = 1
    assert (await processes[0].take([Want(seats)], "c")).refused is None, "the others have ended"


async def test_what_is_larger_than_a_share_and_not_than_the_limit_is_taken_alone() -> None:
    limit = rate(1000, kind="tokens")
    counters = MemoryCounters(SystemClock(), parts=lambda: 4)
    assert (await counters.take([Want(limit, 800)], "")).refused is None
    refused = await counters.take([Want(limit, 800)], "")
    assert refused.refused == limit
    assert refused.retry_after_s == pytest.approx(800 / 250 * 60, abs=1), "its share of the minute's tokens is paid off first"
    assert (await counters.take([Want(limit, 1001)], "")).retry_after_s is None

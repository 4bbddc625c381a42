"""One contract for every `Cache`: in memory, and in a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from tests.clock import FakeClock

from doorward.core.clock import SystemClock
from doorward.shared.cache import Cache
from doorward.shared.memory_cache import MemoryCache
from doorward.shared.redis import connect
from doorward.shared.redis_cache import RedisCache

LARGEST = 1000


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "memory":
        yield MemoryCache(SystemClock(), 100_000, max_value_bytes=LARGEST)
        return
    redis = connect(request.getfixturevalue("redis_url"), timeout_s=5)
    yield RedisCache(redis, SystemClock(), prefix=request.getfixturevalue("redis_prefix"), max_value_bytes=LARGEST)
    await redis.aclose()


async def test_what_was_put_is_there_and_nothing_else(cache: Cache) -> None:
    await cache.put("a", "k", b"\x00value\xff", 60)
    assert await cache.get("a", "k") == b"\x00value\xff"
    assert await cache.get("a", "other") is None


async def test_owners_do_not_see_each_other(cache: Cache) -> None:
    await cache.put("a", "k", b"of a", 60)
    assert await cache.get("b", "k") is None
    await cache.put("a:0", "k", b"of a:0", 60)
    assert await cache.get("a", "k") == b"of a"
    assert await cache.get("a", "0:k") is None, "no name of one owner is a name of another"


async def test_the_last_put_counts(cache: Cache) -> None:
    await cache.put("a", "k", b"old", 60)
    await cache.put("a", "k", b"new", 60)
    assert await cache.get("a", "k") == b"new"


async def test_time_is_up(cache: Cache) -> None:
    await cache.put("a", "k", b"soon gone", 0.15)
    await cache.put("a", "long", b"stays", 60)
    await asyncio.sleep(0.3)
    assert await cache.get("a", "k") is None
    assert await cache.get("a", "long") == b"stays"


async def test_dropping_an_owner_forgets_all_of_it_and_nobody_else(cache: Cache) -> None:
    for key in ("k", "l"):
        await cache.put("a", key, b"a", 60)
        await cache.put("b", key, b"b", 60)
    await cache.drop("a")
    await cache.drop("never seen")
    assert [await cache.get("a", key) for key in ("k", "l")] == [None, None]
    assert await cache.get("b", "k") == b"b"
    await cache.put("a", "k", b"again", 60)
    assert await cache.get("a", "k") == b"again"


async def test_what_is_too_large_is_not_kept_and_does_not_replace(cache: Cache) -> None:
    await cache.put("a", "k", b"x" * LARGEST, 60)
    await cache.put("a", "l", b"x" * (LARGEST + 1), 60)
    assert await cache.get("a", "k") == b"x" * LARGEST
    assert await cache.get("a", "l") is None


async def test_another_process_sees_it_and_its_end(redis_url: str, redis_prefix: str) -> None:
    one, other = (RedisCache(connect(redis_url, timeout_s=5), SystemClock(), prefix=redis_prefix) for _ in range(2))
    await one.put("a", "k", b"shared", 60)
    assert await other.get("a", "k") == b"shared"
    await other.drop("a")
    assert await one.get("a", "k") is None
    for cache in (one, other):
        await cache._redis.aclose()


async def test_redis_away_is_an_empty_cache_and_quick() -> None:
    redis = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    cache = RedisCache(redis, SystemClock())
    began = time.monotonic()
    for _ in range(20):
        await cache.put("a", "k", b"v", 60)
        assert await cache.get("a", "k") is None
    await cache.drop("a")
    assert time.monotonic() - began < 3
    await redis.aclose()


async def test_memory_is_bounded_and_the_least_lately_used_go_first() -> None:
    clock = FakeClock()
    cache = MemoryCache(clock, 10_000, max_value_bytes=LARGEST)
    await cache.put("a", "kept", b"x" * 700, 60)
    for number in range(50):
        await cache.put("a", str(number), b"x" * 700, 60)
        assert await cache.get("a", "kept") is not None, "used all the time"
        assert cache.size_bytes <= 10_000
    assert await cache.get("a", "0") is None
    await cache.drop("a")
    assert cache.size_bytes == 0

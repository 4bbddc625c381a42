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


async def put(cache: Cache, owner: str, key: str, value: bytes, ttl_s: float) -> None:
    await cache.put(owner, key, value, ttl_s, await cache.epoch(owner))


async def get(cache: Cache, owner: str, key: str) -> bytes | None:
    return await cache.get(owner, key, await cache.epoch(owner))


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    if request.param == "memory":
        yield MemoryCache(SystemClock(), 100_000, max_value_bytes=LARGEST)
        return
    redis = connect(request.getfixturevalue("redis_url"), timeout_s=5)
    yield RedisCache(redis, SystemClock(), prefix=request.getfixturevalue("redis_prefix"), max_value_bytes=LARGEST)
    await redis.aclose()


async def test_what_was_put_is_there_and_nothing_else(cache: Cache) -> None:
    await put(cache, "a", "k", b"\x00value\xff", 60)
    assert await get(cache, "a", "k") == b"\x00value\xff"
    assert await get(cache, "a", "other") is None


async def test_owners_do_not_see_each_other(cache: Cache) -> None:
    await put(cache, "a", "k", b"of a", 60)
    assert await get(cache, "b", "k") is None
    await put(cache, "a:0", "k", b"of a:0", 60)
    assert await get(cache, "a", "k") == b"of a"
    assert await get(cache, "a", "0:k") is None, "no name of one owner is a name of another"


async def test_the_last_put_counts(cache: Cache) -> None:
    await put(cache, "a", "k", b"old", 60)
    await put(cache, "a", "k", b"new", 60)
    assert await get(cache, "a", "k") == b"new"


async def test_time_is_up(cache: Cache) -> None:
    await put(cache, "a", "k", b"soon gone", 0.15)
    await put(cache, "a", "long", b"stays", 60)
    await asyncio.sleep(0.3)
    assert await get(cache, "a", "k") is None
    assert await get(cache, "a", "long") == b"stays"


async def test_dropping_an_owner_forgets_all_of_it_and_nobody_else(cache: Cache) -> None:
    for key in ("k", "l"):
        await put(cache, "a", key, b"a", 60)
        await put(cache, "b", key, b"b", 60)
    await cache.drop("a")
    await cache.drop("never seen")
    assert [await get(cache, "a", key) for key in ("k", "l")] == [None, None]
    assert await get(cache, "b", "k") == b"b"
    await put(cache, "a", "k", b"again", 60)
    assert await get(cache, "a", "k") == b"again"


async def test_what_was_under_way_when_its_owner_was_dropped_is_not_kept(cache: Cache) -> None:
    epoch = await cache.epoch("a")
    await cache.drop("a")
    await cache.put("a", "k", b"too late", 60, epoch)
    assert await get(cache, "a", "k") is None
    await put(cache, "a", "k", b"anew", 60)
    assert await get(cache, "a", "k") == b"anew"


async def test_what_is_too_large_is_not_kept_and_does_not_replace(cache: Cache) -> None:
    await put(cache, "a", "k", b"x" * LARGEST, 60)
    await put(cache, "a", "l", b"x" * (LARGEST + 1), 60)
    assert await get(cache, "a", "k") == b"x" * LARGEST
    assert await get(cache, "a", "l") is None


async def test_another_process_sees_it_and_its_end(redis_url: str, redis_prefix: str) -> None:
    one, other = (RedisCache(connect(redis_url, timeout_s=5), SystemClock(), prefix=redis_prefix) for _ in range(2))
    await put(one, "a", "k", b"shared", 60)
    assert await get(other, "a", "k") == b"shared"
    await other.drop("a")
    assert await get(one, "a", "k") is None
    for cache in (one, other):
        await cache._redis.aclose()


async def test_redis_away_is_an_empty_cache_and_quick() -> None:
    redis = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    cache = RedisCache(redis, SystemClock())
    began = time.monotonic()
    for _ in range(20):
        await put(cache, "a", "k", b"v", 60)
        assert await get(cache, "a", "k") is None
    await cache.drop("a")
    assert time.monotonic() - began < 3
    await redis.aclose()


async def test_a_drop_while_redis_is_away_is_made_up_for(redis_url: str, redis_prefix: str) -> None:
    """Nothing is read before the owner's new epoch has begun, for this process and for all others."""
    redis, clock = connect(redis_url, timeout_s=5), FakeClock()
    cache = RedisCache(redis, clock, prefix=redis_prefix)
    other = RedisCache(redis, SystemClock(), prefix=redis_prefix)
    for owner in ("a", "b"):
        await put(cache, owner, "k", b"old", 60)
    gone = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    cache._redis = gone
    await cache.drop("a")
    assert await cache.epoch("a") is None
    cache._redis = redis
    assert await cache.epoch("a") is None, "it is asked again after a second"
    clock.at += 2
    assert await get(cache, "b", "k") == b"old"
    assert await get(cache, "a", "k") is None
    assert await get(other, "a", "k") is None
    await gone.aclose()
    await redis.aclose()


async def test_memory_is_bounded_and_the_least_lately_used_go_first() -> None:
    clock = FakeClock()
    cache = MemoryCache(clock, 10_000, max_value_bytes=LARGEST)
    await put(cache, "a", "kept", b"x" * 700, 60)
    for number in range(50):
        await put(cache, "a", str(number), b"x" * 700, 60)
        assert await get(cache, "a", "kept") is not None, "used all the time"
        assert cache.size_bytes <= 10_000
    assert await get(cache, "a", "0") is None
    await cache.drop("a")
    assert cache.size_bytes == 0

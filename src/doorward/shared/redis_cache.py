"""A cache that several processes share. While Redis is away it is empty, and asked again after a second (`Away`)."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from doorward.core.clock import Clock
from doorward.shared.away import Away
from doorward.shared.cache import Cache

EPOCH_TTL_S = 7 * 86_400
"""Longer than any entry lives: an epoch that is forgotten starts again at 0, and must find nothing there."""


class RedisCache:
    def __init__(
        self, redis: Redis, clock: Clock, *, prefix: str = "doorward:", max_value_bytes: int = 2**20, away: Away | None = None
    ) -> None:
        self._redis = redis
        self._prefix = prefix + "cache:"
        self._max_value_bytes = max_value_bytes
        self._away = away or Away(clock)

    async def get(self, owner: str, key: str) -> bytes | None:
        if self._away.is_now:
            return None
        try:
            async with asyncio.timeout(self._away.wait_s):
                value = await self._redis.get(await self._name(owner, key))
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")
            return None
        return value if isinstance(value, bytes) else None

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) > self._max_value_bytes or self._away.is_now:
            return
        try:
            async with asyncio.timeout(self._away.wait_s):
                await self._redis.set(await self._name(owner, key), value, px=max(1, int(min(ttl_s, EPOCH_TTL_S / 2) * 1000)))
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")

    async def drop(self, owner: str) -> None:
        name = f"{self._prefix}epoch:{owner}"
        try:
            await self._redis.incr(name)
            await self._redis.expire(name, EPOCH_TTL_S)
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")

    async def _name(self, owner: str, key: str) -> str:
        epoch = await self._redis.get(f"{self._prefix}epoch:{owner}")
        # the owner's length first: without it `a` with `0:k` and `a:0` with `k` would be one name
        return f"{self._prefix}{len(owner)}:{owner}:{int(epoch or 0)}:{key}"


_: type[Cache] = RedisCache

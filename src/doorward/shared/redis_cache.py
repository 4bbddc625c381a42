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
        self._to_drop: set[str] = set()
        """Owners whose entries were to be forgotten while Redis was away: done before anything is read again."""

    async def epoch(self, owner: str) -> int | None:
        if self._away.is_now:
            return None
        try:
            async with asyncio.timeout(self._away.wait_s):
                while self._to_drop:
                    await self._begin_epoch(next(iter(self._to_drop)))
                return int(await self._redis.get(self._epoch_of(owner)) or 0)
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")
            return None

    async def get(self, owner: str, key: str, epoch: int | None) -> bytes | None:
        if epoch is None or self._away.is_now:
            return None
        try:
            async with asyncio.timeout(self._away.wait_s):
                value = await self._redis.get(self._name(owner, key, epoch))
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")
            return None
        return value if isinstance(value, bytes) else None

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float, epoch: int | None) -> None:
        if epoch is None or len(value) > self._max_value_bytes or self._away.is_now:
            return
        try:
            async with asyncio.timeout(self._away.wait_s):
                # the name bears the epoch: what is put into one that is over is found by nobody
                await self._redis.set(self._name(owner, key, epoch), value, px=max(1, int(min(ttl_s, EPOCH_TTL_S / 2) * 1000)))
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")

    async def drop(self, owner: str) -> None:
        self._to_drop.add(owner)
        if self._away.is_now:
            return
        try:
            async with asyncio.timeout(self._away.wait_s):
                await self._begin_epoch(owner)
        except (RedisError, OSError) as cause:
            self._away.met(cause, "cache")

    async def _begin_epoch(self, owner: str) -> None:
        await self._redis.incr(self._epoch_of(owner))
        await self._redis.expire(self._epoch_of(owner), EPOCH_TTL_S)
        self._to_drop.discard(owner)

    def _epoch_of(self, owner: str) -> str:
        return f"{self._prefix}epoch:{owner}"

    def _name(self, owner: str, key: str, epoch: int) -> str:
        # the owner's length first: without it `a` with `0:k` and `a:0` with `k` would be one name
        return f"{self._prefix}{len(owner)}:{owner}:{epoch}:{key}"


_: type[Cache] = RedisCache

"""A cache that several processes share. While Redis is away it is empty, and asked again after `retry_s`."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from doorward.core.clock import Clock
from doorward.shared.cache import Cache
from doorward.telemetry.logs import named

log = named(__name__)
EPOCH_TTL_S = 7 * 86_400
"""Longer than any entry lives: an epoch that is forgotten starts again at 0, and must find nothing there."""


class RedisCache:
    def __init__(
        self, redis: Redis, clock: Clock, *, prefix: str = "doorward:", max_value_bytes: int = 2**20, retry_s: float = 1.0
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._prefix = prefix + "cache:"
        self._max_value_bytes = max_value_bytes
        self._retry_s = retry_s
        self._away_until = 0.0

    async def get(self, owner: str, key: str) -> bytes | None:
        if self._is_away():
            return None
        try:
            value = await self._redis.get(await self._name(owner, key))
        except (RedisError, OSError) as cause:
            self._went_away(cause)
            return None
        return value if isinstance(value, bytes) else None

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) > self._max_value_bytes or self._is_away():
            return
        try:
            await self._redis.set(await self._name(owner, key), value, px=max(1, int(min(ttl_s, EPOCH_TTL_S / 2) * 1000)))
        except (RedisError, OSError) as cause:
            self._went_away(cause)

    async def drop(self, owner: str) -> None:
        name = f"{self._prefix}epoch:{owner}"
        try:
            await self._redis.incr(name)
            await self._redis.expire(name, EPOCH_TTL_S)
        except (RedisError, OSError) as cause:
            self._went_away(cause)

    async def _name(self, owner: str, key: str) -> str:
        epoch = await self._redis.get(f"{self._prefix}epoch:{owner}")
        # the owner's length first: without it `a` with `0:k` and `a:0` with `k` would be one name
        return f"{self._prefix}{len(owner)}:{owner}:{int(epoch or 0)}:{key}"

    def _is_away(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _went_away(self, cause: Exception) -> None:
        self._away_until = self._clock.monotonic() + self._retry_s
        log.warning("redis_away", cause=type(cause).__name__, verb="cache")


_: type[Cache] = RedisCache

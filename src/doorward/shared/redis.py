"""Counters that several processes share: one Lua call each, on Redis's clock.

While Redis is away a process counts alone (`fallback`): each allows its share of a limit, calls go on, and Redis is asked
again after a second (`Away`; threats.md: limits fail to the local share).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.resources import files

from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from doorward.core.clock import Clock
from doorward.shared.away import Away
from doorward.shared.counters import Counters, Level, Limit, Taken, Want
from doorward.shared.memory import MemoryCounters


def connect(url: str, timeout_s: float = 0.5) -> Redis:
    """A pool that waits for a free connection instead of raising, and never hangs on a Redis that does not answer."""
    pool = BlockingConnectionPool.from_url(
        url, max_connections=64, timeout=timeout_s, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
    )
    return Redis(connection_pool=pool)


class RedisCounters:
    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        prefix: str = "doorward:",
        seat_ttl_s: float = 120.0,
        away: Away | None = None,
        parts: Callable[[], int] = lambda: 1,
    ) -> None:
        """`parts`: of how many processes this one allows its share while Redis is away."""
        self._prefix = prefix
        self._seat_ttl_ms = seat_ttl_s * 1000
        self._away = away or Away(clock)
        self._fallback = MemoryCounters(clock, seat_ttl_s, parts)
        lua = files("doorward.shared").joinpath("counters.lua").read_text()
        self._script: AsyncScript = redis.register_script(lua)

    async def _run(self, verb: str, seat: str, wants: Sequence[Want]) -> list[bytes | int] | None:
        """`None`: Redis is away."""
        if self._away.is_now:
            return None
        arguments: list[str | int | float] = [verb, seat, self._seat_ttl_ms]
        for want in wants:
            limit = want.limit
            arguments += [limit.kind, limit.most, limit.window_s * 1000, want.amount]
        try:
            async with asyncio.timeout(self._away.wait_s):
                names = [self._prefix + want.limit.name for want in wants]
                answer: list[bytes | int] = await self._script(keys=names, args=arguments)
        except (RedisError, OSError) as cause:
            self._away.met(cause, verb)
            return None
        return answer

    async def take(self, wants: Sequence[Want], seat: str) -> Taken:
        if not wants:
            return Taken(())
        answer = await self._run("take", seat, wants)
        if answer is None:
            return await self._fallback.take(wants, seat)
        refused, wait_ms = int(answer[0]), float(answer[1])
        levels = tuple(Level(want.limit, int(answer[2 + 2 * i]), float(answer[3 + 2 * i]) / 1000) for i, want in enumerate(wants))
        if refused == 0:
            return Taken(levels)
        return Taken(levels, wants[refused - 1].limit, wait_ms / 1000 if wait_ms >= 0 else None)

    async def adjust(self, wants: Sequence[Want]) -> None:
        if wants and await self._run("adjust", "", wants) is None:
            await self._fallback.adjust(wants)

    async def keep(self, limits: Sequence[Limit], seat: str) -> None:
        if limits:
            await self._run("keep", seat, [Want(limit) for limit in limits])
            await self._fallback.keep(limits, seat)

    async def leave(self, limits: Sequence[Limit], seat: str) -> None:
        # A seat may have been taken on either side of an outage: both give it back.
        if limits:
            await self._run("leave", seat, [Want(limit) for limit in limits])
            await self._fallback.leave(limits, seat)


_: type[Counters] = RedisCounters

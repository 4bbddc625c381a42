"""Counters of one process: exact, because nothing awaits between looking and taking.

Where several processes serve and cannot count together, each allows its share of every limit: the whole by `parts`, at
least 1. An amount that is larger than the share, and not than the limit, is taken when nothing else was, and paid off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from doorward.core.clock import Clock
from doorward.shared.counters import Counters, Level, Limit, Taken, Want

_SWEEP_AT = 50_000


class MemoryCounters:
    """For each rate the theoretical arrival time (GCRA); for each seat counter its holders and their ends."""

    def __init__(self, clock: Clock, seat_ttl_s: float = 120.0, parts: Callable[[], int] = lambda: 1) -> None:
        self._clock = clock
        self._parts = parts
        self._seat_ttl_s = seat_ttl_s
        self._arrivals: dict[str, float] = {}
        self._seats: dict[str, dict[str, float]] = {}
        self._sweep_at = _SWEEP_AT

    async def take(self, wants: Sequence[Want], seat: str) -> Taken:
        now, parts = self._clock.monotonic(), self._parts()
        levels: list[Level] = []
        refused: Limit | None = None
        retry_after: float | None = None
        for want in wants:
            limit = want.limit
            most = _share(limit, parts)
            if limit.kind == "seats":
                left = most - len(self._live(limit.name, now)) - want.amount
                if left < 0 and refused is None:
                    refused = limit
                levels.append(Level(limit, max(0, left), 0.0))
                continue
            interval = limit.window_s / most
            was = max(self._arrivals.get(limit.name, now), now)
            arrival = was + want.amount * interval
            over = arrival - now - limit.window_s
            is_larger = most < want.amount <= limit.most
            if over > 1e-9 and refused is None and not (is_larger and was <= now):
                refused = limit
                retry_after = was - now if is_larger else over if want.amount <= most else None
            levels.append(Level(limit, max(0, int(-over / interval + 1e-6)), max(0.0, arrival - now)))
        if refused is not None:
            before = tuple(self._before(level, want, parts) for level, want in zip(levels, wants, strict=True))
            return Taken(before, refused, retry_after)
        for want, level in zip(wants, levels, strict=True):
            if want.limit.kind == "seats":
                self._seats.setdefault(want.limit.name, {})[seat] = now + self._seat_ttl_s
            else:
                self._arrivals[want.limit.name] = now + level.reset_s
        if len(self._arrivals) > self._sweep_at:
            self._sweep(now)
        return Taken(tuple(levels))

    def _before(self, level: Level, want: Want, parts: int) -> Level:
        """Nothing was taken: what is left is what was left before."""
        limit = level.limit
        most = _share(limit, parts)
        if limit.kind == "seats":
            return Level(limit, max(0, most - len(self._seats.get(limit.name, ()))), 0.0)
        interval = limit.window_s / most
        reset_s = max(0.0, level.reset_s - want.amount * interval)
        return Level(limit, max(0, int((limit.window_s - reset_s) / interval + 1e-6)), reset_s)

    def _live(self, name: str, now: float) -> dict[str, float]:
        holders = self._seats.get(name)
        if not holders:
            return {}
        for dead in [seat for seat, until in holders.items() if until <= now]:
            del holders[dead]
        if not holders:
            del self._seats[name]
        return holders

    async def adjust(self, wants: Sequence[Want]) -> None:
        now, parts = self._clock.monotonic(), self._parts()
        for want in wants:
            limit = want.limit
            arrival = max(self._arrivals.get(limit.name, now), now) + want.amount * limit.window_s / _share(limit, parts)
            self._arrivals[limit.name] = max(now, arrival)

    async def keep(self, limits: Sequence[Limit], seat: str) -> None:
        until = self._clock.monotonic() + self._seat_ttl_s
        for limit in limits:
            holders = self._seats.get(limit.name)
            if holders is not None and seat in holders:
                holders[seat] = until

    async def leave(self, limits: Sequence[Limit], seat: str) -> None:
        for limit in limits:
            holders = self._seats.get(limit.name)
            if holders is not None:
                holders.pop(seat, None)
                if not holders:
                    del self._seats[limit.name]

    def _sweep(self, now: float) -> None:
        """Counters that are full again need no entry."""
        self._arrivals = {name: arrival for name, arrival in self._arrivals.items() if arrival > now}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._arrivals))


def _share(limit: Limit, parts: int) -> int:
    return limit.most if parts <= 1 else max(1, limit.most // parts)


_: type[Counters] = MemoryCounters

"""Rows kept for a few seconds: what makes authentication cheap and revocation quick at once.

`Fresh` reads a row through `load` and keeps it at most `keep_s` seconds (4 by default: with one
query, under the 5 s of I9). While the database is away a row that was good may serve up to
`away_s` seconds more (60, I9); a row that was never seen is refused, for it might be revoked.

One flight per key: a thousand calls with the same cold key are one query. Misses are kept apart
and bounded, so that junk can neither evict good rows nor fill the memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from doorward.core.clock import Clock
from doorward.core.errors import StoreError, Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AWAY_S = 60.0
MISS_S = 1.0
LOAD_LIMIT_S = 5.0
PATIENCE_S = 1.0
"""A database that says nothing for so long counts as away for a row that is known well enough."""
RETRY_S = 1.0
"""After a failed reload, stale rows are served this long before the database is asked again."""

DATABASE_AWAY = (StoreError, OSError, TimeoutError)


class Fresh(Generic[K, V]):
    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        clock: Clock,
        *,
        keep_s: float,
        away_s: float = AWAY_S,
        load_limit_s: float = LOAD_LIMIT_S,
        most: int = 10_000,
    ) -> None:
        self._load = load
        self._monotonic = clock.monotonic
        self._keep_s = keep_s
        self._away_s = away_s
        self._load_limit_s = load_limit_s
        self._most = most
        self._rows: OrderedDict[K, tuple[V, float, float]] = OrderedDict()
        """key -> (row, read at, fresh until)."""
        self._misses: OrderedDict[K, float] = OrderedDict()
        self._flights: dict[K, asyncio.Task[V | None]] = {}

    def peek(self, key: K) -> V | None:
        """The row if it is fresh, else `None`: the warm path, without a coroutine."""
        kept = self._rows.get(key)
        return kept[0] if kept is not None and self._monotonic() < kept[2] else None

    async def get(self, key: K) -> V | None:
        """The row, at most `keep_s` old while the database answers; `None`: there is none.

        Raises `Unavailable` when the database is away and the row is not known well enough.
        """
        now_s = self._monotonic()
        kept = self._rows.get(key)
        if kept is not None and now_s < kept[2]:
            return kept[0]
        missed_until_s = self._misses.get(key)
        if missed_until_s is not None and now_s < missed_until_s:
            return None
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._read(key))
            # those who asked may all have left, or be content with the kept row
            flight.add_done_callback(lambda done: done.cancelled() or done.exception())
        if kept is not None and now_s + PATIENCE_S < kept[1] + self._away_s:
            await asyncio.wait({flight}, timeout=PATIENCE_S)
            if not flight.done():
                return self._while_silent(key, kept[0], kept[1])
        # Shielded: the first caller's leaving must not fail the others that share the flight.
        return await asyncio.shield(flight)

    def forget(self, key: K) -> None:
        """Read `key` again at its next use; for changes made by this very process."""
        self._rows.pop(key, None)
        self._misses.pop(key, None)
        # A flight that started before the change may carry the old row: later callers start their own.
        self._flights.pop(key, None)

    async def _read(self, key: K) -> V | None:
        flight = asyncio.current_task()
        asked_s = self._monotonic()
        try:
            async with asyncio.timeout(self._load_limit_s):
                row = await self._load(key)
        except DATABASE_AWAY as error:
            return self._while_away(key, error)
        else:
            if self._flights.get(key) is flight:
                self._keep(key, row, asked_s)
            return row
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _keep(self, key: K, row: V | None, asked_s: float) -> None:
        # Age counts from the question, not the answer: a slow query must not stretch the 5 s.
        if row is None:
            self._rows.pop(key, None)
            self._misses[key] = asked_s + min(self._keep_s, MISS_S)
            _bound(self._misses, self._most)
            return
        self._misses.pop(key, None)
        self._rows[key] = (row, asked_s, asked_s + self._keep_s)
        self._rows.move_to_end(key)
        _bound(self._rows, self._most)

    def _while_silent(self, key: K, row: V, read_s: float) -> V:
        """The flight goes on, and what it brings replaces this at once; a flight that was given up has no say any more."""
        now = self._rows.get(key)
        if now is not None and now[1] == read_s:
            self._rows[key] = (row, read_s, min(self._monotonic() + RETRY_S, read_s + self._away_s))
        return row

    def _while_away(self, key: K, error: BaseException) -> V:
        kept = self._rows.get(key)
        now_s = self._monotonic()
        if kept is None or now_s >= kept[1] + self._away_s:
            raise Unavailable("The database does not answer. Try again in a few seconds.", retry_after_s=2) from error
        row, read_s, _ = kept
        self._rows[key] = (row, read_s, min(now_s + RETRY_S, read_s + self._away_s))
        return row


def _bound(kept: OrderedDict[K, V], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)

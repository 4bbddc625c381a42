"""The book: settled rows move from memory and journal into the database, in batches, within a second.

While the database is away, rows wait in memory; beyond `MEMORY_ROWS` only in the journal, from
which they are read when it is back. A row that is there already is passed over (by its id), so moving one twice
changes nothing. The journal is told that a row was moved once the row is on the database's disk, and not before:
its file may go then, and with it the only copy that a power loss cannot take.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from doorward.core.clock import Clock
from doorward.core.errors import StoreError
from doorward.ledger.closing import Closing
from doorward.ledger.entry import Entry
from doorward.ledger.journal import Journal, Segment
from doorward.ledger.records import read
from doorward.ledger.rows import rows_of
from doorward.store.call_rows import Refusal, Settled

_log = logging.getLogger(__name__)

GATHER_S = 0.2
"""Rows gather this long before a batch is written: `usage` shows a call within a second."""
BATCH_ROWS = 1000
SLICE_ROWS = 50
"""Rows are made so many at a time: half a millisecond."""
MEMORY_ROWS = 20_000
RETRY_S = 0.5
FINISH_S = 6.0
"""On stopping, a database that is away or locked is asked again this long; one more try may then wait for SQLite's lock."""
BATCH_END_S = 1.0
"""On stopping, a batch that is on its way to the database may end."""
SAMPLED = 3
"""Refusals of one key and reason that get a full row in a minute, for "why?"."""


class Shelf(Protocol):
    """Port to `store.calls`, which has the SQL."""

    async def absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        """Write rows, their roll-ups and refusals in one transaction -> how many rows were new. All or nothing."""

    async def sync(self) -> None:
        """Return when what was absorbed survives a power loss."""


class Book:
    def __init__(self, shelf: Shelf, journal: Journal, clock: Clock) -> None:
        self._shelf = shelf
        self._journal = journal
        self._clock = clock
        self._rows: deque[Closing] = deque()
        self._unsynced: dict[Segment, int] = {}
        """Calls of each file that are in the database and perhaps not on its disk yet: the file must stay."""
        self._refusals: dict[Refusal, int] = {}
        """Not in the database yet."""
        self._sampled: dict[Refusal, int] = {}
        """Counts of this minute, which outlast what is moved."""
        self._minute = 0
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._away = False
        self._refused_rows = 0

    @property
    def refused_rows(self) -> int:
        """Rows that the database will not take; 0, or there is a bug to report."""
        return self._refused_rows

    @property
    def waiting(self) -> int:
        """Rows that are not in the database yet, as far as memory knows."""
        return len(self._rows) + sum(segment.spilled for segment in self._journal.spilled())

    @property
    def lag_s(self) -> float:
        """Since the oldest row that waits was settled, in seconds; 0: nothing waits."""
        return max(0.0, self._clock.wall() - self._rows[0].settled_at) if self._rows else 0.0

    def add(self, closing: Closing, *, in_journal: bool = True) -> None:
        rows = self._rows
        if closing.segment is not None and len(rows) >= MEMORY_ROWS and in_journal:
            closing.segment.spilled += 1
        else:
            rows.append(closing)
        if len(rows) == 1:  # who moves them looks itself whether more has come
            self._wake.set()

    def refused(self, entry: Entry, code: str) -> bool:
        """Count a refusal -> whether this one is a sample that deserves a row of its own."""
        caller = entry.caller
        refusal = Refusal(int(entry.wall_s // 60), caller.owner, caller.key_id or "", caller.user_id or "", entry.endpoint, code)
        self._refusals[refusal] = self._refusals.get(refusal, 0) + 1
        self._wake.set()
        if refusal.minute > self._minute:
            self._minute = refusal.minute
            self._sampled.clear()
        count = self._sampled[refusal] = self._sampled.get(refusal, 0) + 1
        return count <= SAMPLED

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                await self.flush()
            except Exception as broken:  # noqa: BLE001 - the task outlives whatever the database raises; it is reported
                self._report(broken)
                self._wake.set()
                await asyncio.sleep(RETRY_S)
            else:
                if self._away:
                    self._away = False
                    _log.info("the database is back: the book is complete")
                if self._has_more:  # settled meanwhile: it gathers as well
                    self._wake.set()

    @property
    def _has_more(self) -> bool:
        return bool(self._rows or self._refusals)

    def _report(self, broken: Exception) -> None:
        """Once for each outage, and always when it is no outage."""
        if isinstance(broken, StoreError) and self._away:
            return
        self._away = True
        _log.warning("the book cannot be written (%s): rows wait in the journal", type(broken).__name__, exc_info=broken)

    async def flush(self) -> None:
        """Move what is settled by now. Raises what the database raises; nothing is lost then.

        What comes meanwhile is left for the next: under calls that follow each other this would have no end, and a batch
        would be a row or two. One at a time: two that moved the same batch would each take its rows off, and the second
        ones were never written.
        """
        async with self._flushing:
            batches = -(-len(self._rows) // BATCH_ROWS) or (1 if self._refusals else 0)
            for _ in range(batches):
                await self._move()
            for segment in self._journal.spilled():
                await self._fetch(segment)
            if self._unsynced:
                await self._sync()

    async def _move(self) -> None:
        batch = list(islice(self._rows, BATCH_ROWS))
        rows = await self._made(batch)
        refusals, self._refusals = self._refusals, {}
        try:
            await self._absorb(rows, sorted(refusals.items()))
        except BaseException:
            for refusal, count in refusals.items():
                self._refusals[refusal] = self._refusals.get(refusal, 0) + count
            raise
        for _ in batch:
            segment = self._rows.popleft().segment
            if segment is not None:
                self._unsynced[segment] = self._unsynced.get(segment, 0) + 1

    @staticmethod
    async def _made(batch: Sequence[Closing]) -> list[Settled]:
        """In slices, with turns for calls between them: a batch at once would keep everybody waiting."""
        rows: list[Settled] = []
        for start in range(0, len(batch), SLICE_ROWS):
            rows += [closing.rows() for closing in batch[start : start + SLICE_ROWS]]
            await asyncio.sleep(0)
        return rows

    async def _fetch(self, segment: Segment) -> None:
        """Rows that found no room in memory are read back from their file."""
        spilled = segment.spilled
        pages = await asyncio.to_thread(lambda: read(segment.path.read_bytes()))
        await self._write([rows_of(ended) for ended in pages.ended.values()])
        segment.spilled -= spilled
        self._unsynced[segment] = self._unsynced.get(segment, 0) + spilled

    async def _sync(self) -> None:
        await self._shelf.sync()
        for segment, calls in self._unsynced.items():
            self._journal.moved(segment, calls)
        self._unsynced.clear()

    async def absorb(self, rows: Sequence[Settled]) -> int:
        """Rows from another process's journal, which may go when this returns -> how many were new."""
        written = await self._write(rows)
        await self._shelf.sync()
        return written

    async def _write(self, rows: Sequence[Settled]) -> int:
        """In batches; rows that are in the database already change nothing."""
        written = 0
        for start in range(0, len(rows), BATCH_ROWS):
            written += await self._absorb(rows[start : start + BATCH_ROWS])
        return written

    async def _absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        """A batch at once; if the database refuses it (it is not away), row by row, so that one cannot keep back the rest."""
        try:
            return await self._shelf.absorb(rows, refusals)
        except StoreError:
            raise
        except Exception:
            if len(rows) <= 1:
                raise
            _log.exception("the database refused a batch of %d rows: they go one by one", len(rows))
        written = await self._shelf.absorb((), refusals)
        for row in rows:
            try:
                written += await self._shelf.absorb((row,))
            except StoreError:
                raise
            except Exception:  # noqa: BLE001 - whatever this row does, the others must get in; it is reported
                self._refused_rows += 1
                _log.exception("the database refuses the row of call %s", row.call.id)
        return written

    async def between_batches(self, within_s: float = BATCH_END_S) -> None:
        """Return when no batch is on its way, or after `within_s`: one that is cut off may be written all the same."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._flushing:
                pass

    async def finish(self) -> None:
        """On stopping: move what is left, and try again for `FINISH_S`. What cannot be moved stays in the journal."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + FINISH_S
        while True:
            try:
                await self.flush()
            except Exception as broken:  # noqa: BLE001 - the rows stay in the journal; stopping goes on
                self._report(broken)
                if loop.time() >= until_s:
                    return
                await asyncio.sleep(RETRY_S)
            else:
                if not self._has_more:
                    return

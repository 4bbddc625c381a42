"""What a ledger does beside its calls: rows into the database, the journal to its disk, journals of dead siblings settled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Sequence

from doorward.core.clock import Clock
from doorward.ledger import replay
from doorward.ledger.book import Book
from doorward.ledger.journal import Journal
from doorward.store.call_rows import Settled
from doorward.telemetry.rarely import Rarely

_log = logging.getLogger(__name__)

LOOK_FOR_ABANDONED_S = 5.0
"""How often a living process looks for journals of siblings that died."""

Replayed = Callable[[str, Sequence[Settled]], Awaitable[None]]
"""Told, after they are in the database, the rows of a process that died: (its start id, rows)."""


class Keeping:
    def __init__(
        self, journal: Journal, book: Book, clock: Clock, complain: Rarely, *, sync_s: float, replayed: Replayed | None
    ) -> None:
        self._journal = journal
        self._book = book
        self._clock = clock
        self._complain = complain
        self._sync_s = sync_s
        self._replayed = replayed
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._book.run(), name="ledger book"),
            asyncio.create_task(self._sync(), name="ledger sync"),
            asyncio.create_task(self._look_for_abandoned(), name="ledger replay"),
        ]

    async def stop(self) -> None:
        await self._book.between_batches()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self._sync_s)
            try:
                await asyncio.to_thread(self._journal.tend)
            except OSError as broken:
                self._complain.error("journal_not_synced", cause=said(broken))

    async def _look_for_abandoned(self) -> None:
        while True:
            try:
                await self.replay_abandoned()
            except Exception:  # noqa: BLE001 - the task outlives whatever the database raises; it is reported
                # the files stay; a database that is away is the usual cause
                _log.exception("journals of earlier processes could not be replayed yet")
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(LOOK_FOR_ABANDONED_S)

    async def replay_abandoned(self) -> int:
        """Settle what dead processes left -> the number of rows written."""
        written = 0
        for path in await asyncio.to_thread(replay.abandoned, self._journal.directory):
            with contextlib.ExitStack() as stack:
                found = await asyncio.to_thread(stack.enter_context, replay.claim(path))
                if found is None:
                    continue
                rows = found.rows(self._clock.wall())
                written += await self._book.absorb(rows)
                if self._replayed is not None and rows:
                    await self._replayed(rows[0].call.process, rows)
                found.done()
        return written


def said(broken: BaseException) -> str:
    """The system's own words: what stands between them and us helps nobody who has to free a disk."""
    cause = broken if isinstance(broken, OSError) else broken.__cause__
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else type(broken).__name__

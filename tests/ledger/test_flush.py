"""Two that move the book at once, the task and whoever stops it or asks for it, lose no row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.ledger.conftest import CHAT, MemoryShelf, answered, caller, exchange

from doorward.core.clock import SystemClock
from doorward.core.errors import LimitExceeded
from doorward.ledger.book import GATHER_S
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices
from doorward.store.call_rows import Refusal, Settled


class SlowShelf(MemoryShelf):
    """Writes after a while, and rows go on being settled meanwhile."""

    async def absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        await asyncio.sleep(0.01)
        return await super().absorb(rows, refusals)


class Unstoppable(MemoryShelf):
    """Goes on to the end of what it has begun, as SQLite's thread does."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self._tasks: set[asyncio.Task[int]] = set()

    async def absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        self.began.set()
        task = asyncio.create_task(self._absorb(rows, refusals))
        self._tasks.add(task)
        return await asyncio.shield(task)

    async def _absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]]) -> int:
        await asyncio.sleep(0.05)
        return await super().absorb(rows, refusals)


async def test_a_stop_in_the_middle_of_a_batch_counts_no_refusal_twice(tmp_path: Path, prices: Prices) -> None:
    shelf = Unstoppable()
    ledger = Ledger(tmp_path / "journal", "start1", shelf, prices, SystemClock())
    await ledger.start()
    with pytest.raises(LimitExceeded):
        async with ledger.entry(caller(), exchange(), CHAT):
            raise LimitExceeded("too many")
    await shelf.began.wait()
    await ledger.stop()
    assert sum(shelf.refusals.values()) == 1


async def test_two_flushes_at_once_move_every_row(tmp_path: Path, prices: Prices) -> None:
    shelf = SlowShelf()
    ledger = Ledger(tmp_path / "journal", "start1", shelf, prices, SystemClock())
    ledger.journal.open()

    async def call() -> None:
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)

    for _ in range(5):
        await call()
    first, second = asyncio.create_task(ledger.book.flush()), asyncio.create_task(ledger.book.flush())
    await asyncio.sleep(0)
    for _ in range(5):
        await call()
    await asyncio.gather(first, second)
    assert len(shelf.rows) == 10
    assert ledger.book.waiting == 0
    await ledger.stop()


async def test_calls_that_follow_each_other_gather_into_batches(tmp_path: Path, prices: Prices) -> None:
    """Moving them one by one would keep SQLite's one writer from everybody else, without end."""
    shelf = SlowShelf()
    ledger = Ledger(tmp_path / "journal", "start1", shelf, prices, SystemClock())
    await ledger.start()
    over = False

    async def calls() -> None:
        while not over:
            async with ledger.entry(caller(), exchange(), CHAT) as entry:
                answered(entry)
            await asyncio.sleep(GATHER_S / 50)

    following = asyncio.create_task(calls())
    began_s = time.monotonic()
    async with asyncio.timeout(20):
        while len(shelf.rows) < 100:  # more than one batch: calls come for longer than it gathers
            await asyncio.sleep(0.01)
    batches, most = shelf.batches, (time.monotonic() - began_s) / GATHER_S + 1
    assert 2 <= batches <= most
    over = True
    await following
    await ledger.stop()
    assert ledger.book.waiting == 0

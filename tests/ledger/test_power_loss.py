"""A power loss after the journal's file is gone takes no row: it was on the database's disk before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.ledger.conftest import CHAT, MemoryShelf, answered, caller, exchange
from tests.store.disk import Disk

from doorward.core.clock import SystemClock
from doorward.core.errors import BudgetExceeded
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices
from doorward.store import engine
from doorward.store.calls import Calls
from doorward.store.engine import Store

CALLS = 5


async def called(ledger: Ledger) -> None:
    for _ in range(CALLS):
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)


async def test_a_file_goes_for_rows_that_are_on_the_databases_disk(
    tmp_path: Path, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    disk = Disk(tmp_path / "doorward.db", tmp_path, monkeypatch)
    ledger = Ledger(tmp_path / "journal", "first", Calls(store), prices, SystemClock())
    await ledger.start()
    on_disk: list[int] = []
    unlink = Path.unlink

    def gone(path: Path, missing_ok: bool = False) -> None:
        on_disk.append(disk.count("calls"))
        unlink(path, missing_ok)

    await called(ledger)
    monkeypatch.setattr(Path, "unlink", gone)
    await ledger.stop()
    assert on_disk == [CALLS]
    await store.close()


async def test_a_disk_that_fails_keeps_the_file_and_the_next_start_books_nothing_twice(
    tmp_path: Path, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doorward.ledger.book.FINISH_S", 0.5)
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    with monkeypatch.context() as patched:
        patched.setattr(engine, "MOVE_ALL", "SELECT 1")  # "busy": nor can the log be moved
        Disk(tmp_path / "doorward.db", tmp_path, patched).failing = True
        first = Ledger(tmp_path / "journal", "first", Calls(store), prices, SystemClock())
        await first.start()
        await called(first)
        await first.stop()
    assert len(list((tmp_path / "journal").iterdir())) == 1
    await store.close()

    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    disk = Disk(tmp_path / "doorward.db", tmp_path, monkeypatch)
    second = Ledger(tmp_path / "journal", "second", Calls(store), prices, SystemClock())
    assert await second.replay_abandoned() == 0  # the rows are there: what was missing is the sync
    assert (disk.syncs, disk.count("calls")) == (1, CALLS)
    assert list((tmp_path / "journal").iterdir()) == []
    await store.close()


async def test_what_a_failed_sync_leaves_is_neither_moved_nor_counted_again(tmp_path: Path, prices: Prices) -> None:
    shelf = MemoryShelf()
    ledger = Ledger(tmp_path / "journal", "first", shelf, prices, SystemClock())
    await ledger.start()
    shelf.unsyncable = True
    segment = ledger.journal._current
    assert segment is not None
    await called(ledger)
    with pytest.raises(BudgetExceeded):
        async with ledger.entry(caller(), exchange(), CHAT):
            raise BudgetExceeded("used up")
    for _ in range(100):
        if len(shelf.rows) == CALLS + 1:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert segment.pending == CALLS + 1
    batches = shelf.batches
    shelf.unsyncable = False
    for _ in range(100):
        if not segment.pending:
            break
        await asyncio.sleep(0.02)
    assert (segment.pending, shelf.batches, sum(shelf.refusals.values())) == (0, batches, 1)
    await ledger.stop()

"""The end of a process: what is settled moves into the database before it is gone, also when the database is busy."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.ledger.conftest import CHAT, answered, caller, exchange

from doorward.core.clock import SystemClock
from doorward.ledger import book
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices
from doorward.store import engine
from doorward.store.calls import Calls
from doorward.store.engine import Store

CALLS = 5


async def booked(store: Store) -> int:
    async with store.reading() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM calls"))).scalar_one())


async def stopped_beside(lock_s: float, url: str, home: Path, prices: Prices) -> tuple[int, float]:
    """Settle some calls, and stop while another connection keeps SQLite's lock -> (rows after the stop, its seconds)."""
    store = await Store.open(url)
    ledger = Ledger(home, "first", Calls(store), prices, SystemClock())
    await ledger.start()
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(CALLS):
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)
    freed = asyncio.get_running_loop().call_later(lock_s, lambda: other.execute("ROLLBACK"))
    began_s = time.monotonic()
    await ledger.stop()
    took_s = time.monotonic() - began_s
    if not freed.cancelled() and freed.when() > asyncio.get_running_loop().time():
        freed.cancel()
        other.execute("ROLLBACK")
    other.close()
    found = await booked(store)
    await store.close()
    return found, took_s


async def test_a_stop_beside_a_busy_database_waits_for_it(
    fresh_sqlite: str, tmp_path: Path, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 300)  # one try alone is over before the lock is
    assert (await stopped_beside(1.5, fresh_sqlite, tmp_path / "journal", prices))[0] == CALLS
    assert list((tmp_path / "journal").iterdir()) == []


async def test_a_stop_has_a_bound_and_the_next_start_moves_the_rows(
    fresh_sqlite: str, tmp_path: Path, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    monkeypatch.setattr(book, "FINISH_S", 0.5)
    found, took_s = await stopped_beside(60, fresh_sqlite, tmp_path / "journal", prices)
    assert found == 0
    assert took_s < 5
    store = await Store.open(fresh_sqlite)
    second = Ledger(tmp_path / "journal", "second", Calls(store), prices, SystemClock())
    await second.start()
    for _ in range(200):
        # the rows are there before the file goes: they have to come to the disk first
        if await booked(store) == CALLS and not list((tmp_path / "journal").glob("first-*")):
            break
        await asyncio.sleep(0.02)
    await second.stop()
    assert await booked(store) == CALLS
    await store.close()
    assert list((tmp_path / "journal").iterdir()) == []


async def test_a_call_that_is_being_settled_is_waited_for(fresh_sqlite: str, tmp_path: Path, prices: Prices) -> None:
    """Its answer was cut by the stop, and is counted in a thread meanwhile."""
    store = await Store.open(fresh_sqlite)
    ledger = Ledger(tmp_path / "journal", "first", Calls(store), prices, SystemClock())
    await ledger.start()

    async def cut() -> None:
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)
            await asyncio.sleep(0.5)

    ending = asyncio.create_task(cut())
    await asyncio.sleep(0.05)
    await ledger.stop()
    assert await booked(store) == 1
    await ending
    await store.close()
    assert list((tmp_path / "journal").iterdir()) == []

"""How often SQLite's thread is asked: each trip is two changes of thread, for which somebody waits."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from doorward.store import one_trip
from doorward.store.engine import Store
from doorward.store.notes import Notes


async def test_a_statement_is_one_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    notes = Notes(store)
    await notes.set("a", "1")
    await notes.get("a")
    trips = 0
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, *given: Any, **named: Any) -> Any:
        nonlocal trips
        trips += 1
        return await execute(self, *given, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    assert await notes.get("a") == "1"
    assert trips == 1
    await notes.set("a", "2")
    assert trips - 1 == 3, "BEGIN, the statement, COMMIT"
    await store.close()


async def test_what_nobody_waited_for_is_rolled_back(tmp_path: Path) -> None:
    """A statement that was cancelled on its way to the thread may have begun a transaction there."""
    connection = await one_trip.connect(str(tmp_path / "a.db"), isolation_level=None)
    begun = asyncio.create_task(connection.cursor().execute("BEGIN IMMEDIATE"))
    await asyncio.sleep(0)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    await connection.rollback()
    assert not connection.in_transaction
    await connection.cursor().execute("BEGIN IMMEDIATE")
    await connection.rollback()
    assert not connection.in_transaction
    await connection.close()


async def test_what_a_statement_did_is_told(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    insert = "INSERT INTO settings_kv (name, value) VALUES ('a', '1'), ('b', '2') RETURNING name"
    async with store.writing() as connection:
        assert [row.name for row in await connection.execute(text(insert))] == ["a", "b"]
        assert (await connection.execute(text("UPDATE settings_kv SET value = 'x'"))).rowcount == 2
        assert (await connection.execute(text("DELETE FROM settings_kv WHERE name = 'c'"))).rowcount == 0
    with pytest.raises(IntegrityError):
        async with store.writing() as connection:
            await connection.execute(text(insert))
    async with store.reading() as connection:
        found = await connection.execute(text("SELECT name, value FROM settings_kv ORDER BY name"))
        assert found.keys() == ["name", "value"]
        assert [tuple(row) for row in found] == [("a", "x"), ("b", "x")]
    await store.close()

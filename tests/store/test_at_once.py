"""A transaction of known statements: all or nothing on both databases, and one trip to SQLite's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import bindparam, insert, update
from sqlalchemy.exc import IntegrityError

from doorward.audit.chain import Audit
from doorward.core.errors import StoreError
from doorward.store import engine
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.steps import Step
from doorward.store.tables.doors import settings_kv


def adding(store: Store, *rows: tuple[str, str]) -> Step:
    return store.prepared(insert(settings_kv), "name", "value").rows(rows)


def changing(store: Store, name: str, value: str) -> Step:
    statement = update(settings_kv).where(settings_kv.c.name == bindparam("of")).values(value=bindparam("to"))
    return store.prepared(statement).of({"to": value, "of": name, "more": "passed over"}, needs_row=True)


async def test_all_steps_are_written(store: Store) -> None:
    assert await store.write(adding(store, ("a", "1"), ("b", "2")), changing(store, "b", "3"))
    notes = Notes(store)
    assert (await notes.get("a"), await notes.get("b")) == ("1", "3")


async def test_a_step_that_misses_its_row_undoes_the_others(store: Store) -> None:
    notes = Notes(store)
    assert not await store.write(adding(store, ("a", "1")), changing(store, "b", "3"), adding(store, ("c", "1")))
    assert (await notes.get("a"), await notes.get("c")) == (None, None)
    await notes.set("a", "2")  # nothing was left open
    assert await notes.get("a") == "2"


async def test_an_error_undoes_what_was_before_it_and_is_told_in_sqlalchemys_words(store: Store) -> None:
    with pytest.raises(IntegrityError):
        await store.write(adding(store, ("a", "1")), adding(store, ("b", "1"), ("a", "2")))
    assert (await Notes(store).get("a"), await Notes(store).get("b")) == (None, None)
    assert await store.write(adding(store, ("a", "3")))


async def test_who_watches_the_task_testifies_in_the_same_transaction(store: Store) -> None:
    with Audit(store).beside("operator", "note.set", "note:a") as row:
        assert await store.write(adding(store, ("a", "1")))
        assert row.done
    assert [one.action for one in await Audit(store).page()] == ["note.set"]


async def test_it_is_one_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    await store.write(adding(store, ("a", "1")))
    trips = 0
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, *given: Any, **named: Any) -> Any:
        nonlocal trips
        trips += 1
        return await execute(self, *given, **named)  # type: ignore[no-untyped-call]  # aiosqlite's

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    await store.write(adding(store, ("b", "1"), ("c", "1")), changing(store, "b", "2"), adding(store, ("d", "1")))
    assert trips == 1
    await store.close()


async def test_one_that_nobody_waits_for_any_more_is_whole(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    locker = sqlite3.connect(tmp_path / "doorward.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.write(adding(store, ("a", "1")), adding(store, ("b", "1"))))
    await asyncio.sleep(0.05)
    writing.cancel()
    await asyncio.sleep(0.05)
    locker.execute("ROLLBACK")
    locker.close()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await Notes(store).set("c", "1")
    assert await Notes(store).get("a") == await Notes(store).get("b")
    await store.close()


async def test_a_locked_database_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    locker = sqlite3.connect(tmp_path / "doorward.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="cannot be used"):
        await store.write(adding(store, ("a", "1")))
    locker.execute("ROLLBACK")
    locker.close()
    assert await store.write(adding(store, ("a", "1")))
    await store.close()


async def test_within_a_transaction_it_is_refused(tmp_path: Path) -> None:
    """It would wait for itself."""
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    async with store.writing():
        with pytest.raises(RuntimeError, match="within"):
            await store.write(adding(store, ("a", "1")))
    await store.close()

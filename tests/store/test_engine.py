"""Reading, writing, and a database that is away."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from doorward.core.errors import StoreError
from doorward.store import engine
from doorward.store.address import parse
from doorward.store.engine import Store
from doorward.store.notes import Notes


async def test_writing_is_all_or_nothing(store: Store) -> None:
    notes = Notes(store)
    told: list[str] = []

    async def fail() -> None:
        async with store.writing() as connection:
            await notes.set("a", "1", connection)
            store.after_commit(connection, lambda: told.append("undone"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await notes.get("a") is None
    async with store.writing() as connection:
        store.after_commit(connection, lambda: told.append("done"))
        await notes.set("a", "2", connection)
        assert told == []
    assert (await notes.get("a"), told) == ("2", ["done"])


async def test_a_cancelled_writer_undoes_its_work_and_frees_the_turn(store: Store) -> None:
    notes = Notes(store)

    async def hang() -> None:
        async with store.writing() as connection:
            await notes.set("a", "1", connection)
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(notes.set("b", "2"), 10)
    assert (await notes.get("a"), await notes.get("b")) == (None, "2")


async def test_reading_refuses_to_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only|cannot be used"):
        async with store.reading() as connection:
            await connection.execute(text("DELETE FROM providers"))
    async with store.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM providers"))).scalar() == 3


async def test_many_writers_at_once_from_two_stores_lose_nothing(store: Store, url: str) -> None:
    other = await Store.open(url)
    add = text("UPDATE settings_kv SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'sum'")

    async def count(which: Store) -> None:
        async with which.writing() as connection:
            await connection.execute(add)

    try:
        await Notes(store).set("sum", "0")
        await asyncio.gather(*(count(store if number % 2 else other) for number in range(200)))
        assert await Notes(store).get("sum") == "200"
    finally:
        await other.close()


async def test_writing_inside_writing_says_so_instead_of_hanging(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    try:
        with pytest.raises(RuntimeError, match="within"):
            async with store.writing(), store.writing():
                pass
        await Notes(store).set("a", "1")
    finally:
        await store.close()


async def test_the_clock_is_the_databases(store: Store) -> None:
    async with store.reading() as connection:
        assert abs(await store.now_s(connection) - time.time()) < 5
        assert isinstance(await store.now_s(connection), float)


async def test_sqlite_is_tuned(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    try:
        async with store.writing() as connection:
            for pragma, expected in {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "secure_delete": 1}.items():
                assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == expected
    finally:
        await store.close()


async def test_a_database_that_another_program_locks_is_a_503_after_a_bounded_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 300)
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    locker = sqlite3.connect(tmp_path / "doorward.db", isolation_level=None)
    try:
        locker.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(StoreError, match="cannot be used") as refused:
            await Notes(store).set("a", "1")
        assert time.monotonic() - started < 15
        assert (refused.value.status, refused.value.should_retry) == (503, None)
        locker.execute("ROLLBACK")
        await Notes(store).set("a", "1")
    finally:
        locker.close()
        await store.close()


async def test_a_restarted_server_is_found_again(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    other = await Store.open(postgres_url)
    try:
        await Notes(store).set("a", "1")
        async with other.writing() as connection:
            here = "datname = current_database() AND pid <> pg_backend_pid()"
            await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {here}"))
        assert await Notes(store).get("a") == "1"
        await Notes(store).set("a", "2")
    finally:
        await store.close()
        await other.close()


async def test_who_stops_in_a_transaction_keeps_nobody_waiting_for_ever(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PG_IDLE_MS", 300)
    stopped, other = await Store.open(postgres_url), await Store.open(postgres_url)
    await Notes(other).set("a", "0")

    async def stop() -> None:
        async with stopped.writing() as connection:
            await Notes(stopped).set("a", "1", connection)
            await asyncio.sleep(1.5)
            await Notes(stopped).set("a", "2", connection)

    waits = asyncio.create_task(stop())
    await asyncio.sleep(0.1)
    async with asyncio.timeout(1.3):
        await Notes(other).set("a", "other")
    with pytest.raises(StoreError):
        await waits
    assert await Notes(stopped).get("a") == "other"
    # only of transactions: the pool's other connections rest as long as they like
    await asyncio.sleep(0.4)
    await Notes(stopped).set("a", "again")
    for store in (stopped, other):
        await store.close()


async def test_no_server_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(StoreError, match="cannot be used") as refused:
            await Store.open(f"postgresql://doorward:hunter2@127.0.0.1:{port}/doorward")
    assert "hunter2" not in str(refused.value)


async def test_files_that_are_no_database(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a text, and not a short one, because SQLite reads a hundred bytes of head before it says so")
    (tmp_path / "dir").mkdir()
    for path, cause in {"file": "not a database", "dir": "directory", "file/doorward.db": "(?i)not a directory|exists"}.items():
        with pytest.raises(StoreError, match=cause):
            await Store.open(f"sqlite:///{tmp_path}/{path}")


def test_an_unreadable_directory_says_what_to_do(tmp_path: Path) -> None:
    """In a process of its own, because it gives up root."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    program = (
        "import asyncio, os, sys\n"
        "from doorward.core.errors import StoreError\n"
        "from doorward.store.engine import Store\n"
        "import sqlalchemy.dialects.sqlite.aiosqlite, aiosqlite\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: asyncio.run(Store.open(sys.argv[1]))\n"
        "except StoreError as error: print(error.message)\n"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{closed}/doorward.db"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "DOORWARD_DATA_DIR" in said
    assert "readable and writable" in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a URL"),
        ("mysql://root:hunter2@localhost/x", "not in 'mysql'"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("postgresql://x:hunter2@h/d?sslcert=hunter2", "sslcert"),
        ("postgresql://x:hunter2@h/d?connect_timeout=soon", "whole seconds"),
    ],
)
def test_urls_that_are_refused(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as refused:
        parse(url)
    assert "hunter2" not in str(refused.value)


def test_urls_as_hosting_pages_write_them() -> None:
    address = parse("postgres://u:hunter2@db.example:6432/doorward?sslmode=require&connect_timeout=3")
    assert address.url.drivername == "postgresql+asyncpg"
    assert (address.connect_args["ssl"], address.connect_args["timeout"]) == ("require", 3.0)
    assert address.spoken == "postgresql://db.example:6432/doorward"
    assert parse("sqlite:////var/lib/doorward/doorward.db").file == Path("/var/lib/doorward/doorward.db")

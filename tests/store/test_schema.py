"""Migrations: the drawing and the database agree, newer ones are refused, several starts at once are one."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from doorward.core.errors import StoreError
from doorward.store import schema
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.store.tables import metadata


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    ours = ("alembic_version", "_fts")  # Alembic's own table; full-text indexes, which no drawing of columns can hold
    return [row for row in compare_metadata(context, metadata) if not any(name in str(row) for name in ours)]


async def test_the_tables_are_what_the_migrations_make(store: Store) -> None:
    async with store.reading() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_comparison_can_fail(store: Store) -> None:
    async with store.writing() as connection:
        await connection.execute(text("ALTER TABLE routes ADD COLUMN surprise TEXT"))
    async with store.reading() as connection:
        assert "surprise" in str(await connection.run_sync(_differences))


def test_head_is_the_newest_migration_and_the_chain_is_whole() -> None:
    versions = sorted((Path(schema.__file__).parent / "migrations/versions").glob("[0-9]*.py"))
    numbers = [file.name[:4] for file in versions]
    assert numbers[-1] == schema.HEAD
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


async def test_opening_again_changes_nothing(store: Store, url: str) -> None:
    await Providers(store).change("openai", base_url="https://proxy.example")
    again = await Store.open(url)
    try:
        assert await Providers(again).all() == await Providers(store).all()
    finally:
        await again.close()


async def test_a_newer_database_is_refused_and_left_alone(store: Store, url: str) -> None:
    async with store.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(StoreError, match=r"newer Doorward \(its schema is 0999.*backup"):
        await Store.open(url)
    async with store.reading() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() == "0999"


async def test_several_first_starts_at_once_migrate_once(url: str) -> None:
    stores = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    try:
        assert [len(await Providers(store).all()) for store in stores] == [3, 3, 3, 3]
    finally:
        for store in stores:
            await store.close()


async def test_a_migration_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = schema.upgrade

    def breaks(connection: Connection) -> None:
        real(connection)
        connection.execute(text("SELECT 1 FROM nowhere"))

    with monkeypatch.context() as patched:
        patched.setattr(schema, "upgrade", breaks)
        with pytest.raises(StoreError, match="nowhere"):
            await Store.open(url)
    store = await Store.open(url)
    try:
        async with store.reading() as connection:
            assert await connection.run_sync(lambda sync: inspect(sync).has_table("providers"))
    finally:
        await store.close()


async def test_the_lock_is_waited_for_and_then_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(schema, "LOCK_WAIT_S", 0.2)
    with (tmp_path / "doorward.db.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="Another process has been migrating"):
            await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    await store.close()


async def test_everything_in_the_directory_is_ours_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        store = await Store.open(f"sqlite:///{tmp_path}/data/doorward.db")
        async with store.writing() as connection:
            await connection.execute(text("INSERT INTO settings_kv VALUES ('a', 'b')"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()}
        await store.close()
    finally:
        os.umask(previous)
    assert {"doorward.db", "doorward.db-wal", "doorward.db-shm", "doorward.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_alembic_stays_away_from_a_start_that_has_nothing_to_migrate(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from doorward.store.engine import Store\n"
        "async def main():\n"
        "    store = await Store.open(sys.argv[1])\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path}/doorward.db"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert runs == ["True", "False"]

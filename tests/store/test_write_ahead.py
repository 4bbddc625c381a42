"""What survives a power loss with SQLite, and what a disk with errors does to it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.disk import Disk

from doorward.core.errors import StoreError
from doorward.store import engine
from doorward.store.engine import Store
from doorward.store.notes import Notes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "doorward.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{file}")
    yield opened
    await opened.close()


@pytest.fixture
def disk(store: Store, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    (tmp_path / "after").mkdir()
    return Disk(file, tmp_path / "after", monkeypatch)


async def test_what_was_committed_before_a_sync_is_on_disk_after_it(store: Store, disk: Disk) -> None:
    await Notes(store).set("a", "1")
    await store.sync()
    assert disk.count("settings_kv") == 1
    await Notes(store).set("b", "2")
    assert disk.count("settings_kv") == 1
    await store.sync()
    assert (disk.count("settings_kv"), disk.syncs) == (2, 2)


async def test_others_write_while_the_log_is_synced(store: Store, disk: Disk) -> None:
    done, began = threading.Event(), threading.Event()

    def slow() -> None:
        began.set()
        done.wait(10)

    await Notes(store).set("a", "1")
    disk.before = slow
    syncing = asyncio.create_task(store.sync())
    await asyncio.to_thread(began.wait, 10)
    await asyncio.wait_for(Notes(store).set("b", "2"), 5)
    assert await Notes(store).get("b") == "2"
    assert not syncing.done()
    done.set()
    await syncing
    assert disk.count("settings_kv") >= 1


async def test_a_log_that_cannot_be_synced_is_moved_into_the_database(store: Store, disk: Disk, file: Path) -> None:
    await Notes(store).set("a", "1")
    disk.failing = True
    await store.sync()
    assert Path(f"{file}-wal").stat().st_size == 0
    disk.failing = False
    await Notes(store).set("b", "2")
    await store.sync()
    assert disk.syncs == 2


async def test_a_log_that_can_neither_be_synced_nor_moved_says_so(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system forgets a page whose writing failed: that a second sync of it succeeds means nothing."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    store = await Store.open(f"sqlite:///{file}")
    disk = Disk(file, tmp_path, monkeypatch)
    await Notes(store).set("a", "1")
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM settings_kv").fetchall()
    await Notes(store).set("b", "2")
    disk.failing = True
    with pytest.raises(StoreError):
        await store.sync()
    disk.failing = False
    with pytest.raises(StoreError):
        await store.sync()
    reader.close()
    await store.sync()
    assert (disk.syncs, Path(f"{file}-wal").stat().st_size) == (1, 0)
    await store.close()


async def test_a_log_that_was_made_anew_is_the_one_that_is_synced(store: Store, disk: Disk, file: Path) -> None:
    """The last connection of all removes it; a pool may close its only one and open another."""
    await Notes(store).set("a", "1")
    await store.sync()
    await store._reader.dispose()
    await store._writer.dispose()
    assert not Path(f"{file}-wal").exists()
    await store.sync()
    await Notes(store).set("b", "2")
    before = disk.syncs
    await store.sync()
    assert disk.syncs == before + 1


async def test_the_log_of_a_database_behind_a_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "real.db"
    file.touch()
    (tmp_path / "doorward.db").symlink_to(file)
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    disk = Disk(file, tmp_path, monkeypatch)
    await Notes(store).set("a", "1")
    await store.sync()
    await store.close()
    assert disk.syncs == 1

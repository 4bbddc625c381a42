"""Another master key: stopped anywhere, gone on with, nothing lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from doorward.core.clock import SystemClock
from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.sealed import Sealed
from doorward.vault import master_key
from doorward.vault.key_ring import NOTE, read_note
from doorward.vault.opening import open_vault
from doorward.vault.rotation import rotate_master_key, rotate_master_key_file
from doorward.vault.seal import MasterKey
from doorward.vault.vault import Vault

ROWS = 18


def _secret(number: int) -> Secret:
    return Secret(f"sk-proj-rotation-{number}")


async def _filled(url: str, data_dir: Path) -> None:
    store = await Store.open(url)
    vault = await _open(store, data_dir)
    for number in range(ROWS):
        await vault.put(f"account:{number:02}", _secret(number))
    await store.close()


async def _open(store: Store, data_dir: Path) -> Vault:
    return (await open_vault(store, value=None, file=None, data_dir=data_dir, clock=SystemClock(), cache_s=4.0))[0]


async def _all_open(store: Store, data_dir: Path) -> None:
    vault = await _open(store, data_dir)
    for number in range(ROWS):
        assert await vault.use(f"account:{number:02}") == _secret(number)


async def test_from_file_to_file(url: str, tmp_path: Path) -> None:
    await _filled(url, tmp_path)
    home = tmp_path / "master.key"
    old = master_key.read(home)
    store = await Store.open(url)
    seen: list[tuple[int, int]] = []
    try:
        new = await rotate_master_key_file(store, home, batch=5, progress=lambda *step: seen.append(step))
        assert seen == [(0, 18), (5, 18), (10, 18), (15, 18), (18, 18)]
        assert new.id != old.id
        assert master_key.read(home).id == new.id
        assert stat.S_IMODE(home.stat().st_mode) == 0o600
        assert not master_key.successor(home).exists()
        assert await Sealed(store).count_by_master_key() == {new.id: ROWS}
        note = read_note(await Notes(store).get(NOTE))
        assert note
        assert (note.id, note.rotating_from) == (new.id, None)
        await _all_open(store, tmp_path)
        assert (await rotate_master_key_file(store, home)).id != new.id
        await _all_open(store, tmp_path)
    finally:
        await store.close()


async def test_a_running_server_goes_along(url: str, tmp_path: Path) -> None:
    await _filled(url, tmp_path)
    store, other = await Store.open(url), await Store.open(url)
    try:
        server = await _open(store, tmp_path)
        await server.use("account:00")
        stop = asyncio.Event()

        async def keep_calling() -> None:
            number = 0
            while not stop.is_set():
                name = f"account:{number % ROWS:02}"
                assert await server.use(name) == _secret(number % ROWS)
                await server.put(name, _secret(number % ROWS))
                number += 1

        calls = asyncio.create_task(keep_calling())
        new = await rotate_master_key_file(other, tmp_path / "master.key", batch=1)
        await asyncio.sleep(0.05)
        stop.set()
        await calls
        assert await Sealed(store).count_by_master_key() == {new.id: ROWS}
        await _all_open(other, tmp_path)
    finally:
        await store.close()
        await other.close()


async def test_keys_given_as_values(url: str, tmp_path: Path) -> None:
    await _filled(url, tmp_path)
    store = await Store.open(url)
    try:
        old, new, strange = master_key.read(tmp_path / "master.key"), MasterKey.new(), MasterKey.new()
        with pytest.raises(VaultError, match="not by"):
            await rotate_master_key(store, strange, new)
        with pytest.raises(VaultError, match="is the old one"):
            await rotate_master_key(store, old, old)
        await rotate_master_key(store, old, new)
        await rotate_master_key(store, old, new)
        vault, _ = await open_vault(store, value=new.text(), file=None, data_dir=tmp_path, clock=SystemClock(), cache_s=4.0)
        assert await vault.use("account:03") == _secret(3)
        with pytest.raises(VaultError, match="which is not here"):
            await open_vault(store, value=old.text(), file=None, data_dir=tmp_path, clock=SystemClock(), cache_s=4.0)
    finally:
        await store.close()


def _rotate_in_a_child(url: str, home: Path, kill_after: int, *, between: bool) -> bool:
    """Fork a rotation and SIGKILL it once it has reported `kill_after` steps -> whether it was killed while at work.

    `between`: the child waits for an answer after each step, so the kill falls exactly between
    two batches; else it runs on and the kill falls wherever it has got to.
    """
    steps_read, steps_write = os.pipe()
    answers_read, answers_write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.close(steps_read)
        os.close(answers_write)

        def report(done: int, total: int) -> None:
            os.write(steps_write, b".")
            if between:
                os.read(answers_read, 1)

        async def work() -> None:
            store = await Store.open(url)
            await rotate_master_key_file(store, home, batch=1, progress=report)
            await store.close()

        try:
            asyncio.run(work())
        finally:
            os._exit(0)
    os.close(steps_write)
    os.close(answers_read)
    for step in range(kill_after):
        if not os.read(steps_read, 1):
            break
        if between and step < kill_after - 1:
            os.write(answers_write, b".")
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(steps_read)
    os.close(answers_write)
    return os.WIFSIGNALED(status)


def test_killed_at_twenty_points_nothing_is_lost(tmp_path: Path) -> None:
    template = tmp_path / "template"
    asyncio.run(_filled(f"sqlite:///{template}/doorward.db", template))
    killed = 0
    for point in range(20):
        data_dir = tmp_path / f"killed-{point}"
        shutil.copytree(template, data_dir)
        url, home = f"sqlite:///{data_dir}/doorward.db", data_dir / "master.key"
        killed += _rotate_in_a_child(url, home, point, between=point % 2 == 0)
        asyncio.run(_after_a_kill(url, data_dir))
    assert killed >= 15


async def _after_a_kill(url: str, data_dir: Path) -> None:
    home = data_dir / "master.key"
    store = await Store.open(url)
    try:
        await _all_open(store, data_dir)
        note = read_note(await Notes(store).get(NOTE))
        assert note
        if note.rotating_from is not None or master_key.successor(home).exists():
            new = await rotate_master_key_file(store, home, batch=3)
            assert await Sealed(store).count_by_master_key() == {new.id: ROWS}
        assert not master_key.successor(home).exists()
        await _all_open(store, data_dir)
    finally:
        await store.close()


async def test_killed_between_the_last_row_and_the_renaming(url: str, tmp_path: Path) -> None:
    await _filled(url, tmp_path)
    home = tmp_path / "master.key"
    store = await Store.open(url)
    try:
        master_key.write(master_key.successor(home), MasterKey.new())
        new = master_key.read(master_key.successor(home))
        await rotate_master_key(store, master_key.read(home), new)
        await _all_open(store, tmp_path)
        assert master_key.read(home).id == new.id
        assert not master_key.successor(home).exists()
    finally:
        await store.close()

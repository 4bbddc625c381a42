"""Keys go in, open fresh at each call, and change on the next one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from tests.vault.conftest import HandClock

from doorward.core.clock import SystemClock
from doorward.core.errors import KeyNotConfigured, NotFound, StoreError, Unprocessable, VaultError
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.store.sealed import Sealed
from doorward.vault.opening import open_vault
from doorward.vault.vault import Vault

A, B = Secret("sk-proj-one"), Secret("sk-proj-two")


async def _second(store: Store, data_dir: Path, clock: HandClock) -> Vault:
    """Another process's vault over the same database."""
    return (await open_vault(store, value=None, file=None, data_dir=data_dir, clock=clock, cache_s=4.0))[0]


async def test_put_use_replace_forget(vault: Vault) -> None:
    before = time.time()
    set_at = await vault.put("account:1", A)
    assert abs(set_at - before) < 5
    assert (await vault.use("account:1"), await vault.set_at("account:1")) == (A, set_at)
    await vault.put("account:1", B)
    assert await vault.use("account:1") == B
    assert await vault.forget("account:1")
    assert not await vault.forget("account:1")
    assert await vault.set_at("account:1") is None
    with pytest.raises(KeyNotConfigured):
        await vault.use("account:1")


async def test_each_use_is_a_new_secret_and_nothing_opened_is_kept(vault: Vault) -> None:
    await vault.put("account:1", A)
    assert await vault.use("account:1") is not await vault.use("account:1")
    assert b"sk-proj" not in repr(vault.__dict__).encode()
    kept = vault._kept["account:1"].row
    assert b"sk-proj" not in kept.envelope


async def test_an_empty_key_is_refused(vault: Vault) -> None:
    with pytest.raises(Unprocessable, match="empty"):
        await vault.put("account:1", Secret(""))
    assert await vault.set_at("account:1") is None


async def test_within_a_transaction(vault: Vault, store: Store) -> None:
    await vault.put("account:1", A)
    assert await vault.use("account:1") == A

    async def fail() -> None:
        async with store.writing() as connection:
            await vault.put("account:1", B, conn=connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await vault.use("account:1") == A
    async with store.writing() as connection:
        await vault.put("account:1", B, conn=connection)
        assert await vault.use("account:1") == A
    assert await vault.use("account:1") == B


async def test_another_process_sees_a_change_within_the_kept_time(
    vault: Vault, store: Store, tmp_path: Path, clock: HandClock
) -> None:
    other = await _second(store, tmp_path, clock)
    await vault.put("account:1", A)
    assert await other.use("account:1") == A
    await vault.put("account:1", B)
    assert await vault.use("account:1") == B
    clock.now += 4.01
    assert await other.use("account:1") == B
    await vault.forget("account:1")
    clock.now += 4.01
    with pytest.raises(KeyNotConfigured):
        await other.use("account:1")


class _Wire:
    """Between a store and its PostgreSQL server: can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[asyncio.StreamWriter] = []
        self.cut = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._open += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    def break_off(self) -> None:
        self.cut = True
        for writer in self._open:
            writer.transport.abort()


async def test_while_the_database_is_away_a_row_lasts_a_minute_and_no_longer(
    postgres_url: str, tmp_path: Path, clock: HandClock
) -> None:
    url = make_url(postgres_url)
    wire = _Wire(url.port or 5432)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = await Store.open(url.set(port=port).render_as_string(hide_password=False))
    try:
        vault = await _second(store, tmp_path, clock)
        await vault.put("account:1", A)
        assert await vault.use("account:1") == A
        wire.break_off()
        for _ in range(11):
            clock.now += 5
            assert await vault.use("account:1") == A
        with pytest.raises(StoreError, match="cannot be used"):
            await vault.put("account:1", B)
        clock.now += 5
        with pytest.raises(StoreError, match="cannot be used"):
            await vault.use("account:1")
        wire.cut = False
        await vault.put("account:1", B)
        assert await vault.use("account:1") == B
    finally:
        await store.close()
        server.close()


async def test_one_read_for_many_calls_and_none_is_hurt_by_anothers_end(vault: Vault) -> None:
    await vault.put("account:1", A)
    tasks = [asyncio.create_task(vault.use("account:1")) for _ in range(50)]
    await asyncio.sleep(0)
    assert len(vault._reads) == 1
    tasks[0].cancel()
    opened = await asyncio.gather(*tasks[1:])
    assert all(secret == A for secret in opened)


async def test_a_read_that_a_put_overtook_is_not_kept(vault: Vault) -> None:
    await vault.put("account:1", A)
    early = asyncio.create_task(vault.use("account:1"))
    await asyncio.sleep(0)
    await vault.put("account:1", B)
    await early
    assert await vault.use("account:1") == B


async def test_purge_is_all_or_nothing(vault: Vault) -> None:
    for name in "abc":
        await vault.put(name, A)
    with pytest.raises(NotFound, match="Nothing was purged.*missing"):
        await vault.purge(["a", "missing", "b"])
    assert await vault.use("a") == A
    await vault.purge(["a", "b"])
    assert [await vault.set_at(name) is None for name in "abc"] == [True, True, False]
    with pytest.raises(KeyNotConfigured):
        await vault.use("a")


async def test_swapped_rows_do_not_open(vault: Vault, store: Store, clock: HandClock) -> None:
    await vault.put("account:1", A)
    await vault.put("account:2", B)
    rows = [await Sealed(store).get(name) for name in ("account:1", "account:2")]
    assert rows[0]
    assert rows[1]
    async with store.writing() as connection:
        await Sealed(store).rewrap(rows[0], rows[1].envelope, rows[1].master_key_id, connection)
    clock.now += 5
    with pytest.raises(VaultError, match="account:1.*Set this key again"):
        await vault.use("account:1")


class TestOpening:
    async def test_a_missing_master_key_stops_the_start(self, vault: Vault, store: Store, tmp_path: Path, clock: HandClock) -> None:
        (tmp_path / "master.key").rename(tmp_path / "elsewhere")
        with pytest.raises(VaultError, match=r"missing.*master\.key.*backup"):
            await _second(store, tmp_path, clock)
        assert not (tmp_path / "master.key").exists()

    async def test_a_wrong_master_key_stops_the_start(self, vault: Vault, store: Store, tmp_path: Path, clock: HandClock) -> None:
        await vault.put("account:1", A)
        wrong = Secret("A" * 43 + "=")
        with pytest.raises(VaultError, match="sealed by master key .* which is not here"):
            await open_vault(store, value=wrong, file=None, data_dir=tmp_path, clock=clock, cache_s=4.0)

    async def test_a_value_serves_as_well_as_a_file(self, store: Store, tmp_path: Path, clock: HandClock) -> None:
        value = Secret("A" * 43 + "=")
        first, made = await open_vault(store, value=value, file=None, data_dir=tmp_path, clock=clock, cache_s=4.0)
        assert made is None
        await first.put("account:1", A)
        second, _ = await open_vault(store, value=value, file=None, data_dir=tmp_path, clock=clock, cache_s=4.0)
        assert await second.use("account:1") == A
        assert not (tmp_path / "master.key").exists()

    async def test_the_file_that_was_made_is_told_once(self, store: Store, tmp_path: Path) -> None:
        arguments = {"value": None, "file": None, "data_dir": tmp_path, "clock": SystemClock(), "cache_s": 4.0}
        assert (await open_vault(store, **arguments))[1] == tmp_path / "master.key"  # type: ignore[arg-type]
        assert (await open_vault(store, **arguments))[1] is None  # type: ignore[arg-type]

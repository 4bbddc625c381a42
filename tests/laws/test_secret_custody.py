"""I1 and I2, the parts that need no server: a stored key's bytes are nowhere, and a `Secret` fits into nothing that leaves.

Each law has its canary: a test that the search finds what was put there to be found.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import dataclasses
import gc
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import msgspec
import psycopg
import pydantic
import pytest
from tests.laws import search
from tests.laws.search import files, forms

from doorward.core.clock import SystemClock
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.vault.opening import open_vault
from doorward.vault.rotation import rotate_master_key_file
from doorward.vault.vault import Vault

CANARY = b'sk-proj-Canary+/7f"\\93bd?&=%Zq0X'
"""With characters that base64, URLs and JSON each write in another way."""
SOURCE = Path(__file__).parents[2] / "src/doorward"


def sightings(data: bytes) -> list[str]:
    return search.sightings(data, CANARY)


@pytest.mark.parametrize("form", sorted(forms(CANARY)))
def test_canary_the_search_finds_every_form(form: str) -> None:
    assert form in sightings(b"before\n" + forms(CANARY)[form] + b"\nafter")


async def test_canary_a_key_that_is_stored_in_clear_is_found(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    try:
        await Notes(store).set("a mistake", CANARY.decode())
        assert any(sightings(data) for _, data in files(tmp_path))
    finally:
        await store.close()


PROGRAM = """
import asyncio, sys
from pathlib import Path
from doorward.core.clock import SystemClock
from doorward.core.errors import DoorwardError
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.vault.opening import open_vault
from doorward.vault.rotation import rotate_master_key_file

async def main():
    data_dir, key = Path(sys.argv[1]), Secret(sys.stdin.buffer.readline().rstrip(b"\\n"))
    store = await Store.open(f"sqlite:///{data_dir}/doorward.db")
    vault, _ = await open_vault(store, value=None, file=None, data_dir=data_dir, clock=SystemClock(), cache_s=4.0)
    for number in range(20):
        await vault.put(f"account:{number}", key)
        assert await vault.use(f"account:{number}") == key
    await vault.put("account:0", key)
    await vault.forget("account:1")
    await vault.purge(["account:2", "account:3"])
    await rotate_master_key_file(store, data_dir / "master.key", batch=3)
    assert await vault.use("account:5") == key
    print(key, repr(key), f"{key:>40}", vault, [key], {"key": key}, flush=True)
    sys.stdin.readline()
    await store.close()
    raise RuntimeError(f"the end, with {key!r}")

asyncio.run(main())
"""


def test_nowhere_on_disk_in_output_arguments_or_environment(tmp_path: Path) -> None:
    data_dir, temporary = tmp_path / "data", tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", PROGRAM, str(data_dir)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=temporary,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    process.stdin.write(CANARY + b"\n")
    process.stdin.flush()
    said = process.stdout.readline()
    assert said.startswith(b"*** ***"), process.stderr.read() if process.stderr else b""
    # while it runs: the write-ahead log is full, nothing was moved into the database yet
    seen = dict(files(data_dir, temporary))
    assert {"doorward.db", "doorward.db-wal", "master.key"} <= set(seen)
    seen["arguments"] = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    seen["environment"] = Path(f"/proc/{process.pid}/environ").read_bytes()
    rest, errors = process.communicate(b"\n", timeout=30)
    assert b"the end" in errors
    seen |= {"output": said + rest, "errors": errors}
    seen |= {f"{name}, afterwards": data for name, data in files(data_dir, temporary)}
    assert {name: found for name, data in seen.items() if (found := sightings(data))} == {}


async def test_nowhere_in_a_postgresql_database(postgres_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgres_url)
    try:
        vault, _ = await open_vault(store, value=None, file=None, data_dir=tmp_path, clock=SystemClock(), cache_s=4.0)
        await vault.put("account:1", Secret(CANARY))
        await rotate_master_key_file(store, tmp_path / "master.key")
    finally:
        await store.close()
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [
            str(row)
            for (table,) in tables
            for row in connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # type: ignore[arg-type]
        ]
    assert any("account:1" in row for row in rows)
    assert sightings("\n".join(rows).encode()) == []


def test_a_secret_has_no_text_form() -> None:
    secret = Secret(CANARY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", ascii(secret), repr([secret])]
    assert sightings("".join(shown).encode()) == []


@dataclasses.dataclass
class Holder:
    key: Secret


@pytest.mark.parametrize(
    "travel",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        bytes,
        list,
        hash,
        dict,
        lambda secret: secret[0],
        lambda secret: secret.__reduce_ex__(4),
        lambda secret: dataclasses.asdict(Holder(secret)),
        lambda secret: pickle.dumps(Holder(secret)),
        lambda secret: json.dumps({"key": secret}),
        lambda secret: vars(secret),
    ],
)
def test_a_secret_travels_nowhere(travel: object) -> None:
    with pytest.raises(TypeError) as refused:
        travel(Secret(CANARY))  # type: ignore[operator]
    assert sightings(str(refused.value).encode()) == []


def test_no_schema_can_hold_a_secret() -> None:
    with pytest.raises(pydantic.errors.PydanticSchemaGenerationError):
        pydantic.create_model("Leak", key=(Secret, ...))
    with pytest.raises(TypeError):
        msgspec.json.schema(Secret)


async def _vault(tmp_path: Path) -> tuple[Store, Vault]:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    vault, _ = await open_vault(store, value=None, file=None, data_dir=tmp_path, clock=SystemClock(), cache_s=4.0)
    return store, vault


def reachable(root: object) -> list[object]:
    """Whatever attributes lead to, from attribute to attribute; functions' closures are not attributes of ours."""
    seen: dict[int, object] = {}
    open_: list[object] = [root]
    while open_:
        this = open_.pop()
        if id(this) in seen or isinstance(this, (type, str, bytes, int, float)):
            continue
        seen[id(this)] = this
        names = {*getattr(this, "__dict__", {}), *(n for c in type(this).__mro__ for n in getattr(c, "__slots__", ())), "__self__"}
        open_ += [getattr(this, name) for name in names if hasattr(this, name)]
    return list(seen.values())


async def test_the_deposit_cannot_open(tmp_path: Path) -> None:
    store, vault = await _vault(tmp_path)
    try:
        deposit = vault.deposit()
        await deposit.put("account:1", Secret(CANARY))
        assert await deposit.set_at("account:1")
        assert [thing for thing in reachable(deposit) if hasattr(thing, "use") or isinstance(thing, Vault)] == []
        assert await vault.use("account:1") == Secret(CANARY)
        assert await deposit.forget("account:1")
    finally:
        await store.close()


async def test_canary_the_walk_finds_an_opener(tmp_path: Path) -> None:
    store, vault = await _vault(tmp_path)
    try:

        class Leaky:
            put = vault.put

            def __init__(self) -> None:
                self.slot = vault.put

        assert vault in reachable(Leaky())
    finally:
        await store.close()


async def test_nothing_opened_stays_in_memory_of_the_vault(tmp_path: Path) -> None:
    store, vault = await _vault(tmp_path)
    try:
        await vault.put("account:1", Secret(CANARY))
        await vault.use("account:1")
        await asyncio.sleep(0)
        gc.collect()
        held = [thing for thing in reachable(vault) if isinstance(thing, Secret) and CANARY in thing.reveal()]
        assert held == []
    finally:
        await store.close()


OPENERS = {
    "upstream/credentials.py",
    "upstream/webhooks.py",
    "identity/oidc.py",
    "identity/issuer.py",
    "relay/idempotency.py",
    "relay/content_log.py",
}
"""The only files that may call `vault.use`."""


def _opens(tree: ast.AST) -> bool:
    """Whether something named like a vault is asked to `use`."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "use" and "vault" in ast.unparse(node.value).lower()
        for node in ast.walk(tree)
    )


def test_only_the_named_openers_open() -> None:
    opening = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if _opens(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert opening <= OPENERS
    assert "upstream/credentials.py" in opening


def test_canary_the_search_for_openers_finds_one() -> None:
    assert _opens(ast.parse("async def leak(self): return await self._vault.use('account:1')"))


def test_the_control_plane_holds_no_vault() -> None:
    """It is handed the deposit; it does not import what can open."""
    for path in [*SOURCE.joinpath("edge").rglob("*.py"), *SOURCE.joinpath("apps").rglob("*.py")]:
        imported = {
            node.module
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not imported & {"doorward.vault.seal", "doorward.vault.key_ring", "doorward.vault.opening"}, path


def test_the_vault_reads_no_environment() -> None:
    for path in (SOURCE / "vault").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "environ" not in text.replace("environment", ""), path
        assert "getenv" not in text, path
        assert "doorward.settings" not in text, path

"""A new database is made in a child: whole, and without Alembic staying in the process that serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from doorward.core.errors import StoreError
from doorward.store import schema
from doorward.store.engine import Store
from doorward.store.made_apart import make_apart

async def found():
    store = await Store.open(sys.argv[1])
    async with store.reading() as connection:
        revision = await connection.run_sync(schema.revision)
    await store.close()
    return revision == schema.HEAD

make_apart(sys.argv[1])
try:
    print(asyncio.run(found()), "alembic" in sys.modules)
except StoreError as error:
    print(error.message)
"""


def run(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, url], capture_output=True, text=True, env=dict(os.environ), timeout=50)


def test_the_schema_is_made_and_alembic_is_gone(tmp_path: Path) -> None:
    done = run(f"sqlite:///{tmp_path}/new/doorward.db")
    assert (done.stdout.strip(), done.stderr) == ("True False", "")


def test_what_goes_wrong_is_told_once_by_the_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(f"sqlite:///{tmp_path}/file/doorward.db")
    assert done.stderr == ""
    assert "file" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert "not in 'nonsense'" in run("nonsense://").stdout

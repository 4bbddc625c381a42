"""Another process holds SQLite's write lock: a backup that went wrong, an editor, a migration.

Rule: calls open (keys and routes are read without the lock), settled rows wait; budgets closed once the lease that a
process holds is used up; writes of the control plane are refused with 503 after 5 s. It recovers unaided.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.answers import chat_answer
from tests.chaos.books import assert_sound, complete
from tests.chaos.load import Load, ask, client_of
from tests.counts import count
from tests.money.gateways import Gateway, furnish, gateways
from tests.scripted import ScriptedUpstream

LOCKED_S = count("seconds with SQLite locked by another process", small=4, full=30)
HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(file), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert await asyncio.wait_for(holder.stdout.readline(), 20) == b"locked\n"
        yield
    finally:
        await holder.communicate(b"\n")


@pytest.mark.timeout(0)
async def test_calls_go_on_and_rows_wait(tmp_path: Path) -> None:
    """Calls without a budget: open. Rows: kept, booked within 10 s of the lock's end. `/healthz`: answers."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up:
        key = await furnish(url, up.base_url)
        async with gateways(Gateway(data_dir, {})) as (gateway,), client_of(gateway.url, key) as client:
            assert (await ask(client, "before")).code == "ok"
            async with locked(data_dir / "doorward.db"):
                sent = up.calls
                async with Load(gateway.url, key, "locked", lanes=4, pause_s=0.02) as load:
                    await asyncio.sleep(LOCKED_S)
                    assert (await client.get("/healthz")).status_code == 200
                during = up.calls - sent
            took_s = await complete(url, up, within_s=10)
            assert_sound(data_dir / "doorward.db")
    print(f"SQLite locked for {LOCKED_S} s: {dict(load.codes)}, slowest {load.slowest_s:.2f} s; booked {took_s:.2f} s after")
    assert set(load.codes) == {"ok"}
    assert during > 0
    assert load.slowest_s < 3


@pytest.mark.timeout(0)
async def test_budgets_are_closed_and_open_again(tmp_path: Path) -> None:
    """Budgets: closed. What cannot be leased is refused with 503 within 10 s, before anything is sent."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up:
        key = await furnish(url, up.base_url, budget_nanos=10**9)
        async with gateways(Gateway(data_dir, {})) as (gateway,), client_of(gateway.url, key) as client:
            async with locked(data_dir / "doorward.db"):
                # this process holds no lease of the budget yet
                refused = await asyncio.gather(*(ask(client, f"locked-{n}") for n in range(5)))
            assert {one.status for one in refused} == {503}, refused
            assert {one.code for one in refused} <= {"budget_unavailable", "unavailable"}
            assert up.calls == 0, "a call was sent that no budget covers"
            async with asyncio.timeout(10):
                number = 0
                while (await ask(client, f"after-{number}")).code != "ok":
                    number += 1
            await complete(url, up, within_s=10)
    print(f"SQLite locked, no lease: {len(refused)} calls refused, slowest {max(one.took_s for one in refused):.2f} s")
    assert max(one.took_s for one in refused) < 10

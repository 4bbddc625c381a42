"""PostgreSQL restarts, cannot be reached, or accepts and says nothing.

Rules. Keys, routes, sealed keys: what was read serves on for 60 s at most, then closed. Budgets: closed once the lease
that the process holds is used up. Rows: kept in journal and memory, and arrive. No call hangs. Recovers unaided.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psycopg
import pytest
from tests.answers import chat_answer
from tests.chaos.books import complete
from tests.chaos.load import Load, ask, client_of
from tests.chaos.wire import Wire
from tests.counts import count
from tests.money.gateways import Gateway, furnish, gateways
from tests.scripted import ScriptedUpstream

AWAY_S = count("seconds without PostgreSQL", small=3, full=300)
KEPT_S = 60
"""R9, I9: rows that were read serve on for so long while the database is away."""


async def break_connections(url: str) -> None:
    """What a restart does to its clients: 57P01 on every connection, all at once."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.timeout(0)
async def test_a_restart_loses_nothing(postgres_url: str, tmp_path: Path) -> None:
    """Calls: open. Every connection of the process is ended five times, under load."""
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up:
        key = await furnish(postgres_url, up.base_url, budget_nanos=10**12)
        gateway = Gateway(tmp_path / "data", {"DOORWARD_DATABASE_URL": postgres_url})
        async with gateways(gateway):
            async with Load(gateway.url, key, "restart", lanes=4, pause_s=0.01) as load:
                await up.wait_for_calls(10, within_s=20)
                for _ in range(5):
                    await break_connections(postgres_url)
                    await asyncio.sleep(0.4)
            took_s = await complete(postgres_url, up, within_s=10)
    print(f"PostgreSQL restarted 5 times: {dict(load.codes)}, slowest {load.slowest_s:.2f} s; booked {took_s:.2f} s after")
    assert set(load.codes) <= {"ok", "unavailable", "budget_unavailable"}
    assert load.codes["ok"] > 0.9 * len(load.said)
    assert load.slowest_s < 5


@pytest.mark.timeout(0)
@pytest.mark.parametrize("how", ["cut", "stalled"])
async def test_known_keys_are_served_and_rows_arrive(postgres_url: str, tmp_path: Path, how: str) -> None:
    """Known keys: open for 60 s, then closed with 503. Unknown keys: closed. Rows: kept."""
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up, Wire(postgres_url) as wire:
        key, unknown = await furnish(postgres_url, up.base_url), await furnish_key(postgres_url)
        # what was read is stale after half a second: each call but the first then meets the database's silence
        gateway = Gateway(tmp_path / "data", {"DOORWARD_DATABASE_URL": wire.url, "DOORWARD_KEY_CACHE_S": "0.5"})
        async with gateways(gateway), client_of(gateway.url, unknown) as stranger:
            async with Load(gateway.url, key, how, lanes=4, pause_s=0.02) as load:
                await up.wait_for_calls(10, within_s=20)
                known = len(load.said)
                wire.cut() if how == "cut" else wire.stall()
                away_s = time.monotonic()
                refused = await ask(stranger, f"stranger-{how}")
                assert (refused.status, refused.code) == (503, "unavailable"), refused
                assert refused.took_s < 10
                await asyncio.sleep(max(0.0, away_s + min(AWAY_S, KEPT_S - 10) - time.monotonic()))
                served = load.said[known:]
                if AWAY_S > KEPT_S + 15:
                    await asyncio.sleep(away_s + KEPT_S + 10 - time.monotonic())
                    beyond = len(load.said)
                    await asyncio.sleep(away_s + AWAY_S - time.monotonic())
                    assert "ok" not in {one.code for one in load.said[beyond:]}, "a kept row served for more than a minute"
                await wire.join()
                joined_s = time.monotonic()
                while (await ask(stranger, f"back-{how}-{time.monotonic():.3f}")).code != "ok":
                    assert time.monotonic() - joined_s < 20, "a new key is not served again"
                    await asyncio.sleep(0.05)
                back_s = time.monotonic() - joined_s
            took_s = await complete(postgres_url, up, within_s=20)
    codes, slowest_s = load.codes, max(one.took_s for one in served)
    print(f"PostgreSQL {how} for {AWAY_S} s: {dict(codes)}; {len(served)} calls in the first {min(AWAY_S, KEPT_S - 10)} s")
    print(f"  slowest of them {slowest_s:.2f} s; served again after {back_s:.2f} s, booked {took_s:.2f} s later")
    assert {one.code for one in served} == {"ok"}
    assert len(served) > 5
    assert slowest_s < 3, "a known key must not wait for a database that says nothing"
    assert AWAY_S > KEPT_S - 10 or set(codes) == {"ok"}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("how", ["cut", "stalled"])
async def test_budgets_fail_closed(postgres_url: str, tmp_path: Path, how: str) -> None:
    """Budgets: closed. What no lease covers is refused with 503 within 10 s and is not sent; served again when it is back."""
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up, Wire(postgres_url) as wire:
        key = await furnish(postgres_url, up.base_url, budget_nanos=10**9)
        gateway = Gateway(tmp_path / "data", {"DOORWARD_DATABASE_URL": wire.url})
        async with gateways(gateway), client_of(gateway.url, key) as client:
            assert (await ask(client, "before")).code == "ok"
            await asyncio.sleep(3.0)  # a lease that nobody uses goes home after 2 s
            wire.cut() if how == "cut" else wire.stall()
            sent = up.calls
            refused = await asyncio.gather(*(ask(client, f"{how}-{n}") for n in range(5)))
            assert {one.status for one in refused} == {503}, refused
            assert {one.code for one in refused} <= {"budget_unavailable", "unavailable"}
            assert up.calls == sent, "a call was sent that no budget covers"
            await wire.join()
            began = time.monotonic()
            while (await ask(client, f"after-{time.monotonic():.3f}")).code != "ok":
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.1)
            await complete(postgres_url, up, within_s=20)
    print(f"budgets without PostgreSQL ({how}): 5 refused, slowest {max(one.took_s for one in refused):.2f} s")
    assert max(one.took_s for one in refused) < 10


async def furnish_key(url: str) -> str:
    """One more client key, which no process has seen."""
    from doorward.core.client_key import make
    from doorward.store.client_keys import ClientKeys, KeyRow
    from doorward.store.engine import Store

    store = await Store.open(url)
    public_id, whole, digest = make()
    await ClientKeys(store).add(KeyRow(public_id, digest, "unknown"))
    await store.close()
    return whole.reveal().decode()

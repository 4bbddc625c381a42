"""I5 and I8 across processes: the cap holds to the nano-dollar, and nothing stays reserved."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.counts import count
from tests.ledger.purse import call, eventually, key, leased, prices, process, rows, spent, taken

from doorward.core.clock import SystemClock
from doorward.core.errors import BudgetExceeded
from doorward.ledger.ledger import Ledger
from doorward.store.calls import Calls
from doorward.store.engine import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "doorward.db"

    async def make() -> None:
        await (await Store.open(f"sqlite:///{file}")).close()

    asyncio.run(make())
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    shutil.copy(migrated, tmp_path / "doorward.db")
    return f"sqlite:///{tmp_path}/doorward.db"


class Spender:
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child

    async def says(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        line = await asyncio.wait_for(self.child.stdout.readline(), 30)
        assert line, "the process ended without a word"
        return dict(json.loads(line))

    def tell(self) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(b"go\n")


@asynccontextmanager
async def spender(**job: Any) -> AsyncIterator[Spender]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.money.spender",
        json.dumps(job),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Spender(child)
        await asyncio.wait_for(child.wait(), 20)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def most_used(url: str, done: asyncio.Event) -> Decimal:
    """The largest sum of spent and leased that anybody could see."""
    most = Decimal(0)
    while not done.is_set():
        most = max(most, taken(url))
        await asyncio.sleep(0.01)
    return most


async def test_a_crowd_in_one_process_cannot_pass_the_cap(both: str) -> None:
    calls = count("concurrent calls at a cap, one process", small=200, full=1000)
    async with process(both) as budgets:
        me, most = key("0.50"), 0

        async def one() -> bool:
            nonlocal most
            try:
                await call(budgets, me, cents=1, usd="0.01", sleep_s=0.01)
            except BudgetExceeded:
                return False
            finally:
                most = max(most, sum(lease.held + lease.total for pot in budgets.leasing.pots.values() for lease in pot.leases()))
            return True

        admitted = sum(await asyncio.gather(*(one() for _ in range(calls))))
        assert admitted == 50
        assert most <= 500_000_000
        await eventually(lambda: leased(both) == 0)
        assert spent(both) == Decimal("0.50")
        assert budgets.hold_exceeded_total == 0


async def test_crowds_in_three_processes_cannot_pass_the_cap(both: str) -> None:
    calls = count("concurrent calls at a cap, three processes", small=70, full=400)
    async with (
        spender(job="crowd", url=both, cap="0.50", calls=calls) as one,
        spender(job="crowd", url=both, cap="0.50", calls=calls) as two,
        spender(job="crowd", url=both, cap="0.50", calls=calls) as three,
    ):
        everyone = (one, two, three)
        for each in everyone:
            assert (await each.says())["ready"]
        done = asyncio.Event()
        watching = asyncio.create_task(most_used(both, done))
        for each in everyone:
            each.tell()
        said = [await each.says() for each in everyone]
        done.set()
        assert await watching <= Decimal("0.50"), "spent and leased passed the cap"
    admitted = sum(each["admitted"] for each in said)
    assert sum(each["exceeded"] for each in said) == 0
    assert spent(both) == Decimal(admitted) / 100
    assert spent(both) <= Decimal("0.50")
    assert admitted >= 10, "the money that was there was not lent out"
    assert leased(both) == 0


SHORT = {"ttl": 1.0, "margin": 0.3, "idle": 0.2, "tick": 0.05, "flush": 0.05, "sweep": 0.2}


async def test_an_owner_that_was_paused_past_its_lease(both: str, tmp_path: Path) -> None:
    """Charged in full while it sleeps; lowered to what its calls cost when it is back; never free money between."""
    async with spender(job="hold", url=both, cap="0.20", home=str(tmp_path / "j"), times=SHORT) as owner:
        assert (await owner.says())["holding"]
        assert taken(both) >= Decimal("0.12")
        # once it has nothing to report: stopped within a transaction, it would keep everybody's database locked
        await eventually(lambda: spent(both) == Decimal("0.02"))
        os.kill(owner.child.pid, signal.SIGSTOP)
        try:
            async with process(both) as other:
                await eventually(lambda: leased(both) == 0)
                assert spent(both) >= Decimal("0.12"), "an expiry gave money back"
                with pytest.raises(BudgetExceeded):
                    await call(other, key("0.20"), cents=9)
        finally:
            os.kill(owner.child.pid, signal.SIGCONT)
        owner.tell()
        assert (await owner.says())["settled"]
    assert spent(both) == Decimal("0.04")
    assert leased(both) == 0


async def test_a_killed_owner_is_charged_and_its_journal_lowers_the_charge_once(both: str, tmp_path: Path) -> None:
    home = tmp_path / "j"
    async with spender(job="hold", url=both, cap="5.00", home=str(home), times=SHORT) as owner:
        said = await owner.says()
        owner.child.kill()
        await owner.child.wait()
    assert taken(both) >= Decimal("0.12")

    def is_gone(started: str) -> bool:
        return not any(home.glob(f"{started}-*"))

    async with process(both, is_gone=is_gone) as heir:
        assert not is_gone(said["process"]), "its journal has not been read"
        ledger = Ledger(home, heir.process, Calls(heir.rows._store), prices(), SystemClock(), sync_s=0.05)
        await ledger.start()
        await eventually(lambda: is_gone(said["process"]))
        # one call of 2 cents was settled, two of 5 were open: nobody knows, so each is charged its hold
        await eventually(lambda: spent(both) == Decimal("0.12") and leased(both) == 0)
        for _ in range(3):
            await heir.sweep()
        assert await heir._leases.charges.prove_dead(said["process"]) == 0
        await ledger.stop()
    assert spent(both) == Decimal("0.12")
    assert rows(both, "SELECT count(*) FROM leases WHERE charged_nanos > 0 OR amount_nanos > 0") == [(0,)]


async def test_a_live_neighbour_is_never_taken_for_dead(both: str, tmp_path: Path) -> None:
    async with spender(job="hold", url=both, cap="5.00", home=str(tmp_path / "j"), times=SHORT) as owner:
        await owner.says()
        async with process(both, is_gone=lambda started: not any((tmp_path / "j").glob(f"{started}-*"))) as other:
            for _ in range(5):
                await other.sweep()
                await asyncio.sleep(0.1)
            assert leased(both) >= Decimal("0.10")
        owner.tell()
        await owner.says()
    assert spent(both) == Decimal("0.04")

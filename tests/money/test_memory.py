"""Memory stays flat however many calls pass: ledger, budgets and telemetry, opened, held, settled and moved."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.counts import FULL, count
from tests.ledger.conftest import PLAN, answered, caller, exchange
from tests.telemetry.calls import seen

from doorward.core.clock import SystemClock
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices
from doorward.providers.route import Route
from doorward.store.call_rows import Refusal, Settled
from doorward.telemetry.call_log import line_of
from doorward.telemetry.feed import Feed
from doorward.telemetry.metrics import Metrics
from doorward.wire.endpoints import match

CALLS = count("calls for flat memory", small=5_000, full=1_000_000)
DRIFT = 0.05 if FULL else 0.15
"""A short run ends before the allocator has settled."""


class Nowhere:
    """A database that takes everything at once."""

    def __init__(self) -> None:
        self.rows = 0

    async def absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        self.rows += len(rows)
        return len(rows)

    async def sync(self) -> None:
        pass


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.timeout(0)
async def test_a_million_calls_leave_nothing_behind(tmp_path: Path) -> None:
    assert line_of(seen())
    feed, metrics, shelf = Feed(), Metrics(lambda provider, model: model or ""), Nowhere()
    feed.add(metrics)
    ledger = Ledger(tmp_path / "journal", "start1", shelf, Prices.load(), SystemClock(), witness=feed)
    await ledger.start()
    endpoint = match("POST", "/v1/chat/completions").endpoint
    assert endpoint is not None
    watching = asyncio.create_task(feed.run())
    marks: list[int] = []
    began = time.monotonic()
    for number in range(CALLS):
        async with ledger.entry(caller(str(number % 100)), exchange(), endpoint) as entry:
            entry.route = Route("gpt-4o-mini", (PLAN,))
            ledger.held(entry, 1000)
            answered(entry)
        if number % 100 == 0:
            await asyncio.sleep(0)
        if number % 1000 == 0:
            while ledger.book.waiting > 5000:
                await asyncio.sleep(0.01)
        if number in (CALLS // 5, CALLS - 1):
            await asyncio.sleep(0.6)
            gc.collect()
            marks.append(resident_bytes())
    await ledger.stop()
    watching.cancel()
    feed.flush()
    first, last = marks
    rate = CALLS / (time.monotonic() - began)
    print(f"{CALLS} calls, {rate:,.0f} a second: {first / 2**20:.1f} MiB after a fifth, {last / 2**20:.1f} MiB at the end")
    assert shelf.rows == CALLS
    assert last <= first * (1 + DRIFT)
    assert not list((tmp_path / "journal").glob("*.journal")), "every journal went when its calls were moved"

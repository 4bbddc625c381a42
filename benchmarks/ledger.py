"""What the ledger costs a call, and how many rows the database absorbs: `python -m benchmarks.ledger`.

    entry     CPU of opening, holding and settling one call (two journal writes), the call's own objects taken off
    rows      CPU of making a call's rows of its record, in the book's batch
    absorb    rows a second from the book into SQLite and onto its disk: calls, attempts and sums in transactions of 1,000
    path      CPU of ledger and three budgets together, with telemetry listening: what a call pays for its money
    report    usage reports by key, user, model and day over 30 days of ten million calls

Target: entry and budget together at most 15 µs; 10,000 rows a second; reports in 200 ms on 10 M rows.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.budgets import BODY, ROUTE
from doorward.core.caller import OPERATOR, Caller, KeyLimits
from doorward.core.clock import SystemClock
from doorward.core.exchange import Asks, Exchange, MemoryBody
from doorward.core.money import Nanos, nanos_of_usd
from doorward.core.usage import Usage
from doorward.edge.server import GC_THRESHOLDS
from doorward.ledger.budgets import Budgets
from doorward.ledger.closing import Closing
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.entry_records import ended_of, opened_of
from doorward.ledger.ledger import Ledger
from doorward.ledger.reports import Period, Reports, period
from doorward.providers.prices import Prices
from doorward.store.budgets import BudgetRows, Cap
from doorward.store.call_rows import AttemptRow, CallRow, Refusal, Settled
from doorward.store.calls import Calls
from doorward.store.engine import Store
from doorward.store.groups import BUCKET_S, bucket_of
from doorward.store.leases import Leases
from doorward.store.rollups import Rollups, by_day, by_owner
from doorward.telemetry.feed import Feed
from doorward.wire.endpoints import match
from doorward.wire.openai import read_asks

CALLS = 5_000
ROWS = 100_000
CHAT = match("POST", "/v1/chat/completions").endpoint
assert CHAT is not None
CALLER = Caller("user:1", frozenset({OPERATOR}), frozenset({"call"}), key_id="k1", label="first", user_id="1")


class Nowhere:
    async def absorb(self, rows: Sequence[Settled], refused: Sequence[tuple[Refusal, int]] = ()) -> int:
        return len(rows)

    async def sync(self) -> None:
        pass


def _exchange(number: int) -> Exchange:
    body = MemoryBody(b"x" * 600)
    return Exchange(f"req_{number}", "POST", "/v1/chat/completions", b"", [], body, Asks("gpt-4o"), "127.0.0.1", 0.0)


def _lived(entry: Entry) -> None:
    """What the relay writes into an entry of a call that goes well."""
    attempt = Attempt(1, "openai", "acc", "gpt-4o", entry.started_s, AttemptState.DONE, 200)
    attempt.usage, attempt.cost, attempt.price_version = Usage(10, output_tokens=5), Nanos(1234), "v"
    entry.attempts.append(attempt)
    entry.note("limits", left={"requests": 3})
    entry.status = 200


async def entry_us(directory: Path) -> float:
    ledger = Ledger(directory, "bench", Nowhere(), Prices.load(), SystemClock())
    await ledger.start()
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for number in range(CALLS):
            _lived(Entry(f"req_{number}", CALLER, _exchange(number), "/v1/chat/completions", 0.0, 0.0))
        own = time.process_time() - began
        began = time.process_time()
        for number in range(CALLS):
            async with ledger.entry(CALLER, _exchange(number), CHAT) as entry:
                ledger.held(entry, 1000)
                _lived(entry)
        best = min(best, (time.process_time() - began - own) / CALLS * 1e6)
        await asyncio.sleep(0.5)
    await ledger.stop()
    return best


def _row(number: int, started_at: float) -> Settled:
    call = CallRow(
        f"p-{number}", f"req_{number:026d}", "p", f"user:{number % 50}", f"k{number % 50}", "web", f"{number % 50}",
        "/v1/chat/completions", '["a"]' if number % 3 == 0 else "[]", True, "gpt-4o", "gpt-4o", "openai", "acc", "done", 200, None,
        "off", 1, 100, 10, 50, 0, 123_456, 200_000, "upstream", "", "v", started_at, 100.0, 2000.0, started_at + 2,
        '[["limits",{"left":{"requests":3}}]]',
    )  # fmt: skip
    attempt = AttemptRow(
        call.opening, 1, "openai", "acc", "gpt-4o", "done", 200, "up", "", 100, 10, 50, 0, "{}", 123_456, 200_000, "upstream",
        "v", 1.0, 100.0, 2000.0,
    )  # fmt: skip
    return Settled(call, [attempt])


def rows_us() -> float:
    """Microseconds of CPU for the rows of one call."""
    entry = Entry("req_1", CALLER, _exchange(1), "/v1/chat/completions", 0.0, 0.0, route=ROUTE)
    _lived(entry)
    clock = SystemClock()
    record = msgspec.msgpack.encode(ended_of(entry, opened_of(entry, "bench", None), "done", None, clock))
    best = float("inf")
    for _ in range(10):
        began = time.thread_time()
        for _ in range(CALLS):
            Closing(record, None, 0.0).rows()
        best = min(best, (time.thread_time() - began) / CALLS * 1e6)
    return best


async def absorb(directory: Path) -> tuple[float, float]:
    """Rows a second by the clock, and microseconds of CPU for each, the database's thread included."""
    store = await Store.open(f"sqlite:///{directory}/bench.db")
    calls = Calls(store)
    now_s = time.time()
    rows = [_row(number, now_s - number // 5_000 * 900) for number in range(ROWS)]
    began, cpu_began = time.perf_counter(), time.process_time()
    for start in range(0, ROWS, 1000):
        await calls.absorb(rows[start : start + 1000])
        await calls.sync()
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    await store.close()
    return ROWS / took_s, cpu_s / ROWS * 1e6


async def path_us(directory: Path) -> float:
    """Microseconds of CPU a call: entry, hold on three budgets, settling, and the feed's listening."""
    store = await Store.open(f"sqlite:///{directory}/budgets.db")
    rows, prices, feed = BudgetRows(store), Prices.load(), Feed()
    await rows.set(Cap("user:u", nanos_of_usd(10**6), "month"))
    ledger = Ledger(directory / "path", "path", Nowhere(), prices, SystemClock(), witness=feed)
    await ledger.start()
    budgets = Budgets(rows, Leases(store), prices, "path", spend_cap_nanos=nanos_of_usd(10**6), journal=ledger)
    await budgets.refresh()
    limits = KeyLimits(budget_nanos=nanos_of_usd(10**6), budget_period="day")
    me = Caller("key:k", frozenset({OPERATOR}), frozenset({"call"}), key_id="k", user_id="u", limits=limits)
    asked = Exchange("r", "POST", "/v1/chat/completions", b"", [], MemoryBody(BODY), read_asks(BODY), "", 0.0)

    async def one() -> None:
        async with ledger.entry(me, asked, CHAT) as entry:
            entry.route = ROUTE
            async with budgets.hold(me, ROUTE, asked, entry):
                _lived(entry)

    await one()
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for number in range(CALLS):
            _lived(Entry(f"req_{number}", me, asked, "/v1/chat/completions", 0.0, 0.0))
        own = time.process_time() - began
        began = time.process_time()
        for _ in range(CALLS):
            await one()
        best = min(best, (time.process_time() - began - own) / CALLS * 1e6)
        feed.flush()
        await asyncio.sleep(0.5)
    await ledger.stop()
    await store.close()
    return best


async def reports_ms(directory: Path) -> dict[str, float]:
    """Milliseconds of each report over the sums of ten million calls: 50 keys, 5 models, 30 days of quarters."""
    store = await Store.open(f"sqlite:///{directory}/reports.db")
    now_s = time.time()
    last = bucket_of(now_s)
    measures = (14, 1, 0, 0, 0, 1400, 140, 700, 0, 1_500_000)
    sums = {
        (last - BUCKET_S * quarter, f"user:{key}", f"k{key}", f"{key}", f"m{model}", "openai", "/v1/chat/completions", ""): measures
        for quarter in range(2880)
        for key in range(50)
        for model in range(5)
    }
    lists = {key: list(row) for key, row in sums.items()}
    async with store.writing() as connection:
        for table, made in (("rollups", lists), ("daily_rollups", by_day(lists)), ("owner_rollups", by_owner(lists))):
            rows = [(*key, *row) for key, row in made.items()]
            marks = ", ".join("?" * len(rows[0]))
            await connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", rows)
    reports, took = Reports(Rollups(store)), {}
    for by, tz in (
        ("key", "UTC"),
        ("user", "UTC"),
        ("model", "UTC"),
        ("day", "UTC"),
        ("key", "Asia/Kolkata"),
        ("day", "Asia/Kolkata"),
    ):
        over: Period = period(None, None, tz, now_s)
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            await reports.usage(by, over, owner=None)  # type: ignore[arg-type]  # each is one of the literals
            best = min(best, (time.perf_counter() - began) * 1000)
        took[f"by {by}, days of {tz}"] = best
    await store.close()
    return took


async def main() -> None:
    # as the server does when it has started
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        print(f"entry   {await entry_us(directory / 'journal'):6.1f} µs of CPU a call")
        print(f"path    {await path_us(directory):6.1f} µs of CPU a call, with three budgets and telemetry")
        print(f"rows    {rows_us():6.1f} µs of CPU a call, in the book's batch")
        rate, cpu_us = await absorb(directory)
        print(f"absorb  {rate:6,.0f} calls/s into SQLite by the clock, {cpu_us:.0f} µs of CPU a call")
        for name, took_ms in (await reports_ms(directory)).items():
            print(f"report  {took_ms:6.1f} ms {name}, 10,080,000 calls in 30 days")


if __name__ == "__main__":
    asyncio.run(main())

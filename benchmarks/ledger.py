"""What the ledger costs a call, and how many rows the database absorbs: `python -m benchmarks.ledger`.

    entry     CPU of opening, holding and settling one call (three journal writes), the call's own objects taken off
    absorb    rows a second from the book into SQLite: calls, attempts and rollups in one transaction of 1,000
    report    a usage report over the rollups of that many calls

Target: entry and budget together at most 15 µs; 10,000 rows a second; reports in 200 ms on 10 M rows.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from doorward.core.caller import OPERATOR, Caller
from doorward.core.clock import SystemClock
from doorward.core.exchange import Asks, Exchange, MemoryBody
from doorward.core.money import Nanos
from doorward.core.usage import Usage
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.ledger import Ledger
from doorward.ledger.reports import Period, Reports, period
from doorward.providers.prices import Prices
from doorward.store.call_rows import AttemptRow, CallRow, Refusal, Settled
from doorward.store.calls import Calls
from doorward.store.engine import Store
from doorward.store.rollups import Rollups

CALLS = 5_000
ROWS = 100_000
CALLER = Caller("user:1", frozenset({OPERATOR}), frozenset({"call"}), key_id="k1", label="first", user_id="1")


class Nowhere:
    async def absorb(self, rows: Sequence[Settled], refused: Sequence[tuple[Refusal, int]] = ()) -> int:
        return len(rows)


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
            async with ledger.entry(CALLER, _exchange(number), "/v1/chat/completions") as entry:
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


async def absorb(directory: Path) -> tuple[float, float]:
    """Rows a second, and milliseconds of a report over 30 days of them."""
    store = await Store.open(f"sqlite:///{directory}/bench.db")
    calls = Calls(store)
    now_s = time.time()
    rows = [_row(number, now_s - number % 2880 * 900) for number in range(ROWS)]
    began = time.perf_counter()
    for start in range(0, ROWS, 1000):
        await calls.absorb(rows[start : start + 1000])
    rate = ROWS / (time.perf_counter() - began)
    over: Period = period(None, None, "UTC", now_s)
    reports = Reports(Rollups(store))
    began = time.perf_counter()
    await reports.usage("key", over, owner=None)
    took_ms = (time.perf_counter() - began) * 1000
    await store.close()
    return rate, took_ms


async def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        print(f"entry   {await entry_us(directory / 'journal'):6.1f} µs of CPU a call")
        rate, took_ms = await absorb(directory)
        print(f"absorb  {rate:6,.0f} calls/s into SQLite")
        print(f"report  {took_ms:6.1f} ms by key, 30 days, {ROWS:,} calls")


if __name__ == "__main__":
    asyncio.run(main())

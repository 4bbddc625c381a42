"""What is in the database at the end, against what the upstream has seen."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from pathlib import Path

from tests.ledger.purse import rows
from tests.scripted import ScriptedUpstream

TERMINAL = {"done", "failed", "gone", "cut", "crashed"}


def sent(up: ScriptedUpstream) -> Counter[str]:
    """Calls that reached the upstream, by request id."""
    return Counter(request.header("x-request-id") or "?" for request in up.requests)


async def complete(url: str, up: ScriptedUpstream, within_s: float) -> float:
    """Wait until every call that was sent has exactly one terminal row -> seconds it took. Fails when that comes too late."""
    began = time.monotonic()
    while True:
        booked = await asyncio.to_thread(rows, url, "SELECT id, outcome FROM calls WHERE outcome <> 'refused'")
        ids, seen = Counter(row[0] for row in booked), sent(up)
        missing = seen - ids
        if not missing:
            assert {outcome for _, outcome in booked} <= TERMINAL
            assert {id: number for id, number in ids.items() if number != 1} == {}, "two rows for one call"
            return time.monotonic() - began
        took_s = time.monotonic() - began
        assert took_s < within_s, f"{len(missing)} of {len(seen)} calls have no row after {took_s:.1f} s: {list(missing)[:3]}"
        await asyncio.sleep(0.05)


def assert_sound(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()

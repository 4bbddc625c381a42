"""The console's pages before a book of 1,000,000 calls in SQLite: aim <= 300 ms a page (issue 8).

    answer   the slowest of what the page asks for, from the request to its last byte: best and median of 5
    page     the same page in Chromium, files in its cache: from the address to the first paint without a skeleton,
             best and median of 5; browser and server share the machine

The rows are 20,000 made ones, 50 times over: the calls before each other by seconds, the sums multiplied.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.house import House
from tests.ui.book import fill
from tests.ui.stage import CHROMIUM, Stage, stage

MADE, TIMES, ROUNDS = 20_000, 50, 5
SUMS = ("rollups", "daily_rollups", "owner_rollups", "tallies")

PAGES = {
    "overview, 7 days": "/admin?range=7d&live=off",
    "overview, 30 days": "/admin?range=30d&live=off",
    "calls": "/admin/calls?range=30d",
    "calls that failed": "/admin/calls?range=30d&outcome=failed",
    "calls of a key": "/admin/calls?range=30d&key_id={key}",
    "why": "/calls/{call}",
    "accounts": "/admin/accounts",
    "routes": "/admin/routes?model=gpt-4o",
    "keys": "/admin/keys",
    "users": "/admin/users",
    "budgets": "/admin/budgets",
    "prices": "/admin/prices?model=gpt-4o",
    "audit": "/admin/audit",
    "usage": "/usage?range=30d",
}

SEEN = """() => new Promise((done) => {
    const look = () => {
        const drawn = document.querySelector("main h1") && !document.querySelector('main [aria-label="Loading"]');
        if (drawn && document.querySelector("main table, main ol, main dl, main li, main section, main p")) done(performance.now());
        else requestAnimationFrame(look);
    };
    look();
})"""
"""Milliseconds from the address to the frame in which the page's content stands."""

ASKED = """() => performance.getEntriesByType("resource")
    .filter((one) => one.name.includes("/api/") && one.responseEnd > 0)
    .map((one) => one.responseEnd - one.requestStart)"""


async def multiply(door: House) -> int:
    """-> how many calls there are then. Indexes are made anew behind the rows: one sort each, not a search a row."""
    async with door.app.ground.store.writing() as connection:
        found = await connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE tbl_name = 'calls' AND sql LIKE 'CREATE%INDEX%'")
        )
        indexes = list(found)
        for index in indexes:
            await connection.execute(text(f"DROP INDEX {index.name}"))
        columns = [row.name for row in await connection.execute(text("PRAGMA table_info(calls)"))]
        other = {"opening": "opening || '-' || copy", "id": "id || '-' || copy", "started_at": "started_at - copy * 0.7"}
        taken = ", ".join(other.get(name, name) for name in columns)
        copies = f"WITH RECURSIVE copies(copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM copies WHERE copy < {TIMES - 1})"
        await connection.execute(text("CREATE TEMP TABLE made AS SELECT * FROM calls"))
        await connection.execute(text(f"INSERT INTO calls {copies} SELECT {taken} FROM copies CROSS JOIN made"))
        for index in indexes:
            await connection.execute(text(index.sql))
        for table in SUMS:
            await _grow(connection, table)
        return int((await connection.execute(text("SELECT count(*) FROM calls"))).scalar_one())


async def _grow(connection: AsyncConnection, table: str) -> None:
    columns = list(await connection.execute(text(f"PRAGMA table_info({table})")))
    sums = ", ".join(f"{row.name} = {row.name} * {TIMES}" for row in columns if not row.pk)
    await connection.execute(text(f"UPDATE {table} SET {sums}"))


async def measure(s: Stage, address: str) -> tuple[list[float], list[float]]:
    """Milliseconds: the slowest answer of each round, and the page of each round."""
    answers, pages = [], []
    for _ in range(ROUNDS):
        await s.page.goto("about:blank")
        await s.page.goto(s.url + address, wait_until="commit")
        pages.append(await s.page.evaluate(SEEN))
        answers.append(max(await s.page.evaluate(ASKED), default=0.0))
    return answers, pages


async def main() -> None:
    if not CHROMIUM.exists():
        print(f"left out: there is no {CHROMIUM}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        async with stage(Path(scratch), custody="admin") as s:
            began = time.perf_counter()
            book = await fill(s.door, calls=MADE, days=30)
            calls = await multiply(s.door)
            print(f"{calls:,} calls made in {time.perf_counter() - began:.0f} s", flush=True)
            await s.sign_in()
            places = {"key": book.keys["mobile app"], "call": book.rescued}
            for name, address in PAGES.items():
                answers, pages = await measure(s, address.format(**places))
                print(
                    f"{name:18} answer {min(answers):5.0f} ms, median {statistics.median(answers):5.0f}"
                    f"   page {min(pages):5.0f} ms, median {statistics.median(pages):5.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main())

"""Does a storm of sign-ins slow the relay? p99 of a call with and without 50 sign-ins a second, in turns of one run.

python -m benchmarks.sign_in [seconds]      a real `doorward serve`, the simulator behind it

Each sign-in is another user with the right password, from another address: the whole work, with session and audit
row. argon2 takes about 0.1 s of one core for each, in threads of its own and few; what cannot be done in time is told
to come back, so that it is the people at the door who wait, not the calls.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from tests.process import PASSWORD, Served, served

SIGN_INS_PER_S = 50
CALLERS = 8
TURNS = 3
PATIENCE_S = 60.0
"""How long somebody waits for an answer to a sign-in."""
CHAT = {"model": "sim-small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


@dataclass
class Storm:
    """`told`: sign-ins by status, 0: no answer in time; `waited_s`: of those that came in."""

    told: Counter[int] = field(default_factory=Counter)
    waited_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def calls(client: httpx2.AsyncClient, until_s: float) -> list[float]:
    """Milliseconds of each call, one after the other."""
    took: list[float] = []
    while time.monotonic() < until_s:
        began = time.perf_counter()
        answer = await client.post("/v1/chat/completions", json=CHAT)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    return took


async def crowd(door: Served, people: int) -> list[str]:
    """So many users with one password: the first is made as users are, the others have its hash."""
    await door.user("user0@example.com")
    with closing(sqlite3.connect(door.data_dir / "doorward.db")) as database, database:
        hashed, role, made = database.execute("SELECT password_hash, role, created_at FROM users").fetchone()
        rows = [(f"user_{n}", f"user{n}@example.com", role, hashed, made) for n in range(1, people)]
        database.executemany("INSERT INTO users (id, email, role, password_hash, created_at) VALUES (?, ?, ?, ?, ?)", rows)
    return [f"user{n}@example.com" for n in range(people)]


async def storm(door: Served, emails: Sequence[str], seen: Storm) -> None:
    """Sign-ins at a steady rate; returns when the last has its answer."""
    began = time.monotonic()

    async def one(browser: httpx2.AsyncClient, number: int, email: str) -> None:
        await asyncio.sleep(number / SIGN_INS_PER_S)
        sent = time.monotonic()
        headers = {"x-forwarded-for": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        try:
            answer = await browser.post("/api/v1/session", json={"email": email, "password": PASSWORD}, headers=headers)
        except httpx2.TimeoutException:
            seen.told[0] += 1
            return
        seen.told[answer.status_code] += 1
        if answer.status_code == 200:
            seen.waited_s.append(time.monotonic() - sent)
        browser.cookies.clear()

    async with door.browser() as browser:
        browser.timeout = httpx2.Timeout(PATIENCE_S)
        await asyncio.gather(*(one(browser, number, email) for number, email in enumerate(emails)))
    seen.seconds += time.monotonic() - began


def line(name: str, took: list[float]) -> float:
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{name:<28} {len(took):>6} calls   p50 {statistics.median(took):7.2f} ms   p99 {p99:7.2f} ms")
    return p99


async def measure(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name), DOORWARD_LOG_LEVEL="warning", DOORWARD_TRUSTED_PROXIES="127.0.0.1") as door:
            key = (await door.cli("key", "create", "--label", "bench"))["key"]
            emails = await crowd(door, int(seconds * SIGN_INS_PER_S) * TURNS)
            async with door.program(key) as client:
                await calls(client, time.monotonic() + 1)

                async def measured() -> list[float]:
                    until_s = time.monotonic() + seconds
                    return [ms for some in await asyncio.gather(*(calls(client, until_s) for _ in range(CALLERS))) for ms in some]

                quiet: list[float] = []
                busy: list[float] = []
                seen = Storm()
                for turn in range(TURNS):
                    quiet += await measured()
                    storming = asyncio.create_task(storm(door, emails[turn::TURNS], seen))
                    busy += await measured()
                    await storming
    report(line("no sign-ins", quiet), line(f"{SIGN_INS_PER_S} sign-ins a second", busy), seen)


def report(quiet: float, busy: float, seen: Storm) -> None:
    print(f"p99 with / without: {busy / quiet:.2f}")
    came_in, asked = seen.told[200], seen.told.total()
    print(f"sign-ins: {asked} asked, {came_in} came in ({came_in / seen.seconds:.1f}/s), {seen.told[503]} told to come back, "
          f"{asked - came_in - seen.told[503]} otherwise {dict(sorted(seen.told.items()))}")  # fmt: skip
    if seen.waited_s:
        print(f"waited for a sign-in: median {statistics.median(seen.waited_s):.2f} s, longest {max(seen.waited_s):.2f} s")
    print(f"cores: {os.cpu_count()}, load average: {os.getloadavg()[0]:.1f}")


def main(seconds: float = 4.0) -> None:
    asyncio.run(measure(seconds))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)

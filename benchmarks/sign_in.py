"""Does a storm of sign-ins slow the relay? p99 of a call with and without 50 sign-ins a second, in one run.

python -m benchmarks.sign_in [seconds]      a real `doorward serve`, the simulator behind it

argon2 takes about 0.1 s of one core for each; what cannot be done in time is told to come back, so that it
is the people at the door who wait, not the calls.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from tests.process import PASSWORD, Served, served

SIGN_INS_PER_S = 50
CALLERS = 8
CHAT = {"model": "sim-small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


async def calls(client: httpx2.AsyncClient, until_s: float) -> list[float]:
    """Milliseconds of each call, one after the other."""
    took: list[float] = []
    while time.monotonic() < until_s:
        began = time.perf_counter()
        answer = await client.post("/v1/chat/completions", json=CHAT)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    return took


async def storm(door: Served, until_s: float) -> dict[int, int]:
    """Sign-ins at a steady rate, each with the full work of a wrong password -> how many of each status; 0: still in the queue."""
    told: dict[int, int] = {}

    async def one(browser: httpx2.AsyncClient, number: int) -> None:
        # another account from another address each time: this is a crowd, not somebody who guesses
        wish = {"email": f"user{number}@example.com", "password": PASSWORD}
        headers = {"x-forwarded-for": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        answer = await browser.post("/api/v1/session", json=wish, headers=headers)
        told[answer.status_code] = told.get(answer.status_code, 0) + 1

    async with door.browser() as browser:
        trying: set[asyncio.Task[None]] = set()
        number = 0
        while time.monotonic() < until_s:
            trying.add(asyncio.create_task(one(browser, number)))
            number += 1
            await asyncio.sleep(1 / SIGN_INS_PER_S)
        _, waiting = await asyncio.wait(trying, timeout=3)
        told[0] = len(waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*trying, return_exceptions=True)
    return told


def line(name: str, took: list[float]) -> float:
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{name:<28} {len(took):>6} calls   p50 {statistics.median(took):7.2f} ms   p99 {p99:7.2f} ms")
    return p99


async def measure(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name), DOORWARD_LOG_LEVEL="warning", DOORWARD_TRUSTED_PROXIES="127.0.0.1") as door:
            key = (await door.cli("key", "create", "--label", "bench"))["key"]
            async with door.program(key) as client:
                await calls(client, time.monotonic() + 1)

                async def measured() -> list[float]:
                    until_s = time.monotonic() + seconds
                    return [ms for some in await asyncio.gather(*(calls(client, until_s) for _ in range(CALLERS))) for ms in some]

                quiet = line("no sign-ins", await measured())
                told, took = await asyncio.gather(storm(door, time.monotonic() + seconds), measured())
                busy = line(f"{SIGN_INS_PER_S} sign-ins a second", took)
                print(f"sign-ins by status: {dict(sorted(told.items()))}")
                print(f"p99 with / without: {busy / quiet:.2f}")


def main(seconds: float = 5.0) -> None:
    asyncio.run(measure(seconds))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)

"""Five times the load that a door can take: goodput against its peak, and how quickly the others are told.

    python -m benchmarks overload

The door has 20 places and its upstream takes 100 ms, so its peak is 200 calls a second. Clients come in a closed loop and
honour nothing: who is refused asks again after 100 ms. Client, door and upstream are processes of their own where the
machine has the cores; here they share one event loop, so the figures are the least that the door does.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.answers import Sleep, chat_answer
from tests.house import house
from tests.light_client import LightClient
from tests.scripted import ScriptedUpstream

PLACES, SPAN_S = 20, 5.0


async def load(url: str, key: str, clients: int) -> tuple[float, list[float]]:
    """-> good answers a second, and how long each refusal took, in seconds."""
    until_s, good, refused = time.monotonic() + SPAN_S, 0, []

    async def one() -> None:
        nonlocal good
        async with LightClient(url, key, {"model": "m-1", "messages": []}) as client:
            while time.monotonic() < until_s:
                began = time.monotonic()
                status, _, _ = await client.ask()
                if status == 200:
                    good += 1
                else:
                    refused.append(time.monotonic() - began)
                    await asyncio.sleep(0.1)

    await asyncio.gather(*(one() for _ in range(clients)))
    return good / SPAN_S, refused


async def measure() -> None:
    with tempfile.TemporaryDirectory() as directory:
        limits = {"max_open_calls": PLACES, "max_waiting_calls": PLACES}
        upstream = ScriptedUpstream(lambda request: chat_answer().after(Sleep(0.1)))
        async with upstream as up, house(Path(directory), log_level="warning", **limits) as home:
            await home.provider("scripted", up.base_url, "m-*", prices="free")
            await home.account("scripted")
            key = await home.key()
            peak, _ = await load(home.url, key, PLACES)
            good, refused = await load(home.url, key, 5 * PLACES)
    p99_ms = statistics.quantiles(refused, n=100)[-1] * 1e3 if len(refused) > 1 else 0.0
    print(f"peak      {peak:7.0f} calls/s")
    print(f"overload  {good:7.0f} calls/s  {good / peak:.0%} of peak (aim: 80 %)")
    p50_ms = statistics.median(refused) * 1e3 if refused else 0.0
    print(f"refusals  {len(refused) / SPAN_S:7.0f} a second, p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms (aim: 50 ms)")


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()

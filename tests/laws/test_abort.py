"""I6: when a call's last client has gone, its upstream connection is gone within 250 ms (p99; 1 s at most).

On every kind of route, streamed or not, alone or shared. Client, door and upstream run in one event loop: what that
loop stood still for, because a neighbour had the core, is taken off (`tests/stalls.py`), and the law holds to the letter.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import Answer, Never, Sleep, chat_answer, chat_stream
from tests.counts import count
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream
from tests.stalls import Stalls

from doorward.store.routes import RouteRule, Routes

CALLS = count("abandoned calls of each kind", small=24, full=2000)
AT_ONCE = 24
MOST_P99_S, MOST_S = 0.25, 1.0


def script(request: Request) -> Answer:
    if request.json.get("stream"):
        return chat_stream(["word "] * 200, pause_s=0.02) if request.number % 2 else Answer((Never(),))
    return chat_answer().after(Sleep(30))


async def prepare(home: House, up: ScriptedUpstream) -> None:
    await home.provider("scripted", up.base_url, "m-*", prices="free")
    await home.account("scripted")
    routes = Routes(home.app.ground.store)
    await routes.set(RouteRule("m-gated", ("m-other",)))
    await routes.set(RouteRule("m-rescued", ("m-other",), rescue=True))
    await home.app.ground.catalogue.refresh()


async def abandon(
    client: httpx2.AsyncClient, up: ScriptedUpstream, name: str, body: dict[str, Any], listeners: int, rng: random.Random
) -> float:
    """Make a call, leave at a random moment, mostly when it is under way -> when the last listener left."""
    headers = {"x-request-id": name, **({"x-stainless-retry-count": "0"} if listeners > 1 else {})}
    calls = [asyncio.create_task(client.post("/v1/chat/completions", json=body, headers=headers))]
    if listeners > 1:
        await asyncio.sleep(0.1)
        again = {"x-stainless-retry-count": "1"}
        calls += [asyncio.create_task(client.post("/v1/chat/completions", json=body, headers=again)) for _ in range(listeners - 1)]
    until_s = time.monotonic() + (5 if rng.random() < 0.9 else rng.random() * 0.1)
    while time.monotonic() < until_s and not any(request.header("x-request-id") == name for request in up.requests[-200:]):
        await asyncio.sleep(0.01)
    await asyncio.sleep(rng.random() * 0.2)
    for call in calls:
        call.cancel()
    left_s = time.monotonic()
    await asyncio.gather(*calls, return_exceptions=True)
    return left_s


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("kind", ["plain", "gated", "rescued", "shared"])
async def test_the_upstream_is_left_when_the_client_has_gone(tmp_path: Path, kind: str, stream: bool) -> None:
    rng = random.Random(f"{kind}{stream}")
    async with Stalls() as stalls, ScriptedUpstream(script) as up, house(tmp_path) as home:
        await prepare(home, up)
        headers = {"authorization": f"Bearer {await home.key()}"}
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60, limits=limits) as client:
            left: dict[str, float] = {}
            for start in range(0, CALLS, AT_ONCE):
                names = [f"{kind}-{number:06}" for number in range(start, min(start + AT_ONCE, CALLS))]
                listeners = 3 if kind == "shared" else 1
                bodies = [{"model": f"m-{kind}", "messages": [], "stream": stream, "user": name} for name in names]
                times = await asyncio.gather(
                    *(abandon(client, up, name, body, listeners, rng) for name, body in zip(names, bodies, strict=True))
                )
                left |= dict(zip(names, times, strict=True))
            await up.wait_for_open(0, within_s=MOST_S + 5)
        spans = [
            (left[name], request.connection.left_s or left[name])
            for request in up.requests
            if (name := request.header("x-request-id") or "") in left
        ]
        took = sorted(ended_s - began_s - stalls.within(began_s, max(began_s, ended_s)) for began_s, ended_s in spans)
        pipeline = home.app.traffic.pipeline
        for _ in range(100):  # what was delivered is still being counted, in a thread
            if pipeline.admission.open == 0:
                break
            await asyncio.sleep(0.05)
        assert pipeline.admission.open == 0
        assert pipeline.shared_calls._running == {}
        assert all(line.in_flight == 0 for line in home.app.traffic.health._lines.values())
    assert len(took) > CALLS * 0.6, "hardly a call reached the upstream: nothing was shown"
    assert took[int(len(took) * 0.99)] <= MOST_P99_S, took[-5:]
    assert took[-1] <= MOST_S


async def test_joined_calls_pay_nothing_and_have_rows(tmp_path: Path) -> None:
    """What was abandoned is settled: one row a call, and those that joined cost 0 (I3)."""
    async with ScriptedUpstream(chat_answer().after(Sleep(0.5))) as up, house(tmp_path) as home:
        await prepare(home, up)
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as client:
            body = {"model": "m-plain", "messages": []}
            first = asyncio.create_task(client.post("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "0"}))
            await up.wait_for_calls(1)
            joined = await client.post("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "1"})
            await first
        rows = await home.rows(2)
    assert joined.status_code == 200
    assert sorted(row.attempts for row in rows) == [0, 1]
    assert up.calls == 1

"""I3 under SIGKILL: every call that reached the upstream has exactly one terminal row, however often the process dies."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, Sleep, chat_answer, chat_stream
from tests.counts import count
from tests.ledger.purse import rows
from tests.money.gateways import ASK, PATH, Gateway, furnish, gateways
from tests.scripted import Request, ScriptedUpstream

from doorward.store.book_check import BookCheck
from doorward.store.engine import Store

KILLS = count("SIGKILLs under load", small=3, full=200)


def script(request: Request) -> Answer:
    number = request.number
    if request.json.get("stream"):
        return chat_stream([f"w{n} " for n in range(6)], input_tokens=10, pause_s=0.01 * (number % 4))
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.02 * (number % 5)))


async def load(gateway: Gateway, key: str, prefix: str, chance: random.Random, done: Counter[str]) -> None:
    """Calls one after another until the process is gone."""
    async with httpx2.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=10) as client:
        number = 0
        while True:
            number += 1
            call_id, streamed = f"{prefix}-{number:06d}", chance.random() < 0.5
            body = {**ASK, "stream": streamed}
            try:
                async with client.stream("POST", PATH, json=body, headers={"x-request-id": call_id}) as answer:
                    text = await answer.aread()
            except httpx2.HTTPError:
                return
            if answer.status_code == 200 and (not streamed or b"[DONE]" in text):
                done[call_id] += 1


@pytest.mark.timeout(0)
async def test_every_admitted_call_has_one_terminal_row(tmp_path: Path) -> None:
    chance, finished = random.Random(11), Counter[str]()
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(script) as up:
        key = await furnish(url, up.base_url, budget_nanos=10**12)
        gateway = Gateway(data_dir, {})
        for turn in range(KILLS):
            await gateway.start()
            loads = [asyncio.create_task(load(gateway, key, f"kill{turn:03d}-{n}", chance, finished)) for n in range(8)]
            await asyncio.sleep(chance.uniform(0.2, 0.7))
            await gateway.kill()
            await asyncio.wait(loads, timeout=15)
            for each in loads:
                each.cancel()
        sent = {request.header("x-request-id") for request in up.requests}
        async with gateways(gateway):
            ready_s = time.monotonic()
            journals = data_dir / "journal"
            while time.monotonic() - ready_s < 15:
                names = {path.name.rpartition("-")[0] for path in journals.glob("*.journal")}
                if len(names) <= 1:
                    break
                await asyncio.sleep(0.05)
            took_s = time.monotonic() - ready_s
            await asyncio.sleep(1.0)
    booked = Counter(row[0] for row in rows(url, "SELECT id FROM calls"))
    outcomes = Counter(row[0] for row in rows(url, "SELECT outcome FROM calls"))
    print(f"{KILLS} kills: {len(sent)} calls reached the upstream, {len(finished)} whole for their clients, rows {dict(outcomes)}")
    print(f"replayed {took_s:.2f} s after readiness")
    assert len(sent) > KILLS, "too little load to prove anything"
    assert {call_id: n for call_id, n in booked.items() if n != 1} == {}, "two rows for one call"
    assert sent - set(booked) == set(), "a call that was sent has no row"
    assert set(finished) - set(booked) == set(), "a call that its client saw whole has no row"
    assert outcomes["crashed"] > 0, "no kill hit an open call"
    for cost, source, reason in rows(url, "SELECT cost_nanos, source, reason FROM calls WHERE outcome = 'crashed'"):
        assert cost > 0
        assert source == "estimated"
        assert reason
    store = await Store.open(url)
    findings = await BookCheck(store).findings()
    await store.close()
    assert findings == []
    assert took_s < 10

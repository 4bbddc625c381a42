"""I3 under SIGKILL: each call that reached the upstream has one terminal row, 3 s after the restart says that it is ready.

Several lanes, each with a database and a gateway of its own. A gateway is killed under load, started again, and killed
again: mostly once the earlier calls are booked, sometimes earlier, in the middle of its own replay.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, Sleep, chat_answer, chat_stream
from tests.counts import FULL, count
from tests.ledger.purse import rows
from tests.money.gateways import ASK, PATH, Gateway, furnish
from tests.scripted import Request, ScriptedUpstream

from doorward.store.book_check import BookCheck
from doorward.store.engine import Store

KILLS = count("SIGKILLs under load", small=3, full=200)
LANES = 3 if FULL else 1
CALLERS = 8
BOOKED_WITHIN_S = 3.0 if FULL else 20.0
"""The full count is for a quiet machine; `make test` runs beside other work."""
EARLY = 0.2
"""Share of the kills that do not wait for the replay of the one before."""


def script(request: Request) -> Answer:
    number = request.number
    if request.json.get("stream"):
        return chat_stream([f"w{n} " for n in range(6)], input_tokens=10, pause_s=0.01 * (number % 4))
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.02 * (number % 5)))


async def call_on(url: str, key: str, prefix: str, chance: random.Random, done: Counter[str]) -> None:
    """Calls one after another until the process is gone."""
    async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=10) as client:
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


@dataclass
class Lane:
    """One database, and the process on it that is killed again and again. Its calls' ids begin with its name."""

    name: str
    url: str
    data_dir: Path
    key: str
    sent: Callable[[str], set[str]]
    """Ids of the calls that the upstream has seen, by their beginning."""
    finished: Counter[str] = field(default_factory=Counter)
    booked_s: list[float] = field(default_factory=list)
    """From readiness to the last row of the processes before, of each restart that was waited for."""

    async def run(self, kills: int) -> None:
        chance = random.Random(self.name)
        gateway = Gateway(self.data_dir, {})
        try:
            for turn in range(kills):
                await gateway.start()
                prefix = f"{self.name}-{turn:03d}"
                loads = [
                    asyncio.create_task(call_on(gateway.url, self.key, f"{prefix}-{n}", chance, self.finished))
                    for n in range(CALLERS)
                ]
                working = asyncio.create_task(asyncio.sleep(chance.uniform(0.2, 0.7)))
                if chance.random() >= EARLY:
                    await self._booked(self.sent(self.name) - self.sent(prefix))
                await working
                await gateway.kill()
                await asyncio.wait(loads, timeout=15)
                for each in loads:
                    each.cancel()
            await gateway.start()
            await self._booked(self.sent(self.name))
        finally:
            await gateway.stop()

    async def _booked(self, owed: set[str]) -> None:
        """Wait until each of these calls has a row; measured from the readiness that was just told."""
        ready_s = time.monotonic()
        while True:
            lacking = owed - await asyncio.to_thread(self._ids)
            took_s = time.monotonic() - ready_s
            assert took_s < BOOKED_WITHIN_S, f"{len(lacking)} of {len(owed)} calls have no row {took_s:.1f} s after readiness"
            if not lacking:
                break
            await asyncio.sleep(0.02)
        self.booked_s.append(took_s)

    def _ids(self) -> set[str]:
        connection = sqlite3.connect(self.data_dir / "doorward.db", timeout=5)
        try:
            return {row[0] for row in connection.execute("SELECT id FROM calls")}
        finally:
            connection.close()

    async def check(self) -> Counter[str]:
        """-> outcomes. Each call once; what no one saw end is charged its hold."""
        sent = self.sent(self.name)
        booked = Counter(row[0] for row in rows(self.url, "SELECT id FROM calls"))
        assert {call_id: n for call_id, n in booked.items() if n != 1} == {}, "two rows for one call"
        assert sent - set(booked) == set(), "a call that was sent has no row"
        assert set(self.finished) - set(booked) == set(), "a call that its client saw whole has no row"
        for cost, held, source, reason in rows(
            self.url, "SELECT cost_nanos, held_nanos, source, reason FROM calls WHERE outcome = 'crashed'"
        ):
            assert 0 < cost == held
            assert source == "estimated"
            assert reason
        store = await Store.open(self.url)
        findings = await BookCheck(store).findings()
        await store.close()
        assert findings == []
        return Counter(row[0] for row in rows(self.url, "SELECT outcome FROM calls"))


@pytest.mark.timeout(0)
async def test_every_admitted_call_has_one_terminal_row(tmp_path: Path) -> None:
    async with ScriptedUpstream(script) as up:

        def sent(prefix: str) -> set[str]:
            return {call_id for request in up.requests if (call_id := request.header("x-request-id") or "").startswith(prefix)}

        lanes = []
        for number in range(LANES):
            data_dir = tmp_path / f"lane{number}"
            data_dir.mkdir()
            url = f"sqlite:///{data_dir}/doorward.db"
            lanes.append(Lane(data_dir.name, url, data_dir, await furnish(url, up.base_url, budget_nanos=10**12), sent))
        kills = [KILLS // LANES + (number < KILLS % LANES) for number in range(LANES)]
        async with asyncio.TaskGroup() as group:
            for lane, turns in zip(lanes, kills, strict=True):
                group.create_task(lane.run(turns))
        outcomes = sum([await lane.check() for lane in lanes], Counter[str]())
        reached = len(sent(""))
    waits = sorted(took_s for lane in lanes for took_s in lane.booked_s)
    print(f"{KILLS} kills in {LANES} lanes: {reached} calls reached the upstream, rows {dict(outcomes)}")
    print(f"{len(waits)} restarts waited for: every row {waits[len(waits) // 2]:.2f} s after readiness, slowest {waits[-1]:.2f} s")
    assert reached > KILLS, "too little load to prove anything"
    assert outcomes["crashed"] > 0, "no kill hit an open call"

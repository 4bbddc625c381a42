"""I3 at large: the book against the simulator's own count, over calls of every kind, with faults and callers who leave.

The simulator is `doorward simulate`, a process of its own; what it wrote into its log is the truth.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.counts import count
from tests.house import House, house
from tests.money.mixed import CHAT_OUT, FAULTS, KINDS, SHARES
from tests.money.raw_client import RawClient

from doorward.core.caller import KeyLimits
from doorward.simulator.log import Record
from doorward.store.book_check import BookCheck
from doorward.store.call_rows import CallRow
from doorward.store.calls import Calls, Filter

CALLS = count("mixed calls", small=400, full=100_000)
LANES = 24
FAULTY = 0.15
LEAVING = 0.05
_ODD = ("completion", "chat", "stream", "usage", "responses", "events")
"""Kinds that faults are tried with: those that say or stream text."""


@asynccontextmanager
async def simulator(log: Path) -> AsyncIterator[str]:
    """`doorward simulate` -> its URL."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorward", "simulate", "--port", "0", "--log", str(log), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        yield str(json.loads(await asyncio.wait_for(child.stdout.readline(), 60))["url"])
    finally:
        child.terminate()
        await child.wait()


async def furnish(home: House, upstream: str) -> str:
    """A provider for each fault, told to the simulator by header, and a key under a budget -> the key."""
    models = sorted({kind.model for kind in KINDS.values()})
    await home.provider("sound", upstream, *models, auth="none", prices="openai")
    for name, told in FAULTS.items():
        await home.provider(name, upstream, *models, auth="header:x-simulate", prices="openai")
        await home.account(name, told, label=name)
    return await home.key(limits=KeyLimits(budget_nanos=10**15, budget_period="ever"))


def drawn(number: int, chance: random.Random) -> tuple[str, str, int | None]:
    """(provider, kind, events after which the caller leaves) of one call."""
    luck = chance.random()
    if luck < LEAVING:
        return "slow", "stream", chance.randint(1, 12)
    if luck < LEAVING + FAULTY:
        return chance.choice([name for name in FAULTS if name != "slow"]), chance.choice(_ODD), None
    [kind] = chance.choices(list(SHARES), list(SHARES.values()))
    return "sound", kind, None


def served(log: Path) -> dict[str, list[Record]]:
    """What the simulator wrote, by call."""
    found: dict[str, list[Record]] = defaultdict(list)
    decode = msgspec.json.Decoder(Record).decode
    with log.open("rb") as lines:
        for line in lines:
            record = decode(line)
            found[record.request_id].append(record)
    return found


async def book_of(home: House, within_s: float = 20.0) -> list[CallRow]:
    """Every row, once none waits any more."""
    ledger = home.app.traffic.ledger
    until_s = asyncio.get_running_loop().time() + within_s
    while ledger.book.waiting or ledger.open_calls:
        assert asyncio.get_running_loop().time() < until_s, "the book does not come to rest"
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return await Calls(home.app.ground.store).page(Filter(), 2 * CALLS)


def compared(rows: Sequence[CallRow], sent: dict[str, list[Record]], left: dict[str, int]) -> tuple[list[str], int]:
    """Law I3 -> (what is wrong, nano-dollars that the simulator billed for answers it finished and that were not left)."""
    found = Counter(row.id for row in rows)
    wrong = [f"{call_id} has {found[call_id]} rows" for call_id in sent if found[call_id] != 1]
    wrong += [f"{call_id} was never sent" for call_id in found.keys() - sent.keys()]
    billed = 0
    for row in rows:
        _, name, number, *_ = row.id.split("-")
        kind, records = KINDS[name], sent.get(row.id, [])
        if row.attempts != len(records):
            wrong.append(f"{row.id} has {row.attempts} attempts, and {len(records)} were served")
        bills = [kind.bill(record, int(number)) for record in records if record.status == 200 or not record.status]
        cost, held = row.cost_nanos, row.held_nanos
        if row.source == "upstream":
            billed += sum(bills)
            if cost != sum(bills):
                wrong.append(f"{row.id} ({row.outcome}) is booked with {cost}, billed with {sum(bills)}")
        elif cost is None or held is None or not 0 < cost <= held or not row.reason:
            wrong.append(f"{row.id} is {row.source} at {cost}, {held} held, because of {row.reason!r}")
        elif cost < (sum(bills) if row.id not in left else left[row.id] * CHAT_OUT):
            wrong.append(f"{row.id} ({row.source}, {row.reason}) is booked with {cost}, delivered for {sum(bills)}")
    return wrong, billed


@pytest.mark.timeout(0)
async def test_the_book_is_what_the_simulator_served(tmp_path: Path) -> None:
    chance, log, left = random.Random(7), tmp_path / "served.jsonl", dict[str, int]()
    said = Counter[tuple[str, int]]()
    async with (
        simulator(log) as upstream,
        house(tmp_path, log_level="error", retry_wait_s=0.3, breaker_open_s=0.2) as home,
    ):
        key = await furnish(home, upstream)
        numbers = iter(range(CALLS))

        async def lane() -> None:
            client = RawClient(home.url, key)
            for number in numbers:
                provider, name, leave_after = drawn(number, chance)
                kind, call_id = KINDS[name], f"mix-{name}-{number:06d}-{provider}"
                model = kind.model if provider == "sound" else f"{provider}/{kind.model}"
                if leave_after is not None:
                    left[call_id] = 0
                answer = await client.post(kind.path, call_id, kind.content_type, kind.body(model, number), leave_after=leave_after)
                said[provider, answer.status] += 1
                if leave_after is not None:
                    left[call_id] = answer.events
            client.close()

        await asyncio.gather(*(lane() for _ in range(LANES)))
        rows = [row for row in await book_of(home) if row.attempts]
        findings = await BookCheck(home.app.ground.store).findings()
    sent = served(log)
    wrong, billed = compared(rows, sent, left)
    print(f"{CALLS} calls, {len(sent)} reached the simulator: {dict(Counter((row.outcome, row.source) for row in rows))}")
    print(f"billed and booked to the nano-dollar: {billed / 1e9:.9f} USD; {sum(map(len, sent.values()))} upstream calls")
    print(sorted(said.items()))
    assert findings == []
    assert wrong[:20] == []
    assert len(sent) > CALLS * 0.9, "most calls must reach the simulator, or this proves little"
    assert {row.source for row in rows} == {"upstream", "counted", "estimated"}
    assert {row.outcome for row in rows} == {"done", "gone", "cut", "failed"}
    assert {call_id.split("-")[1] for call_id in sent} == set(KINDS)
    assert {call_id.split("-")[3] for call_id in sent} == {"sound", *FAULTS}
    assert {row.endpoint for row in rows} == {kind.path for kind in KINDS.values()}
    assert any(row.attempts > 1 for row in rows)

"""The laws of money in one place (threats.md): what each says, shown on a small house, and its canary.

    I3  the book equals the upstream's own bill, to the nano-dollar; every call has one row
    I5  what is spent and what is held never pass a cap together
    I7  an interrupted stream costs at least what was delivered, at most what was held, never 0
    I8  what is reserved is 0 at rest

The same at large counts: `make money` (tests/money).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx2
import msgspec
from tests.answers import chat_stream
from tests.house import house
from tests.ledger.purse import call, eventually, key, leased, process, taken
from tests.ledger.purse import rows as query
from tests.money.gateways import ASK, IN, OUT, PATH
from tests.money.test_aborted import left_after, row_of
from tests.money.test_bill import billed, book, play, script
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits
from doorward.core.errors import BudgetExceeded
from doorward.store.call_rows import CallRow
from doorward.store.calls import Calls


@dataclass(frozen=True)
class Sent:
    """A call as the upstream saw it. `bill`: in nano-dollars; `None`: its answer did not say its usage to the end."""

    call_id: str
    bill: int | None


def breaks_i3(rows: Sequence[CallRow], sent: Sequence[Sent]) -> list[str]:
    found = Counter(row.id for row in rows)
    wrong = [f"{one.call_id} has {found[one.call_id]} rows" for one in sent if found[one.call_id] != 1]
    wrong += [f"{call_id} was never sent" for call_id in found.keys() - {one.call_id for one in sent}]
    bills = {one.call_id: one.bill for one in sent}
    for row in rows:
        bill = bills.get(row.id)
        if row.source == "upstream" and row.cost_nanos != bill:
            wrong.append(f"{row.id} is booked with {row.cost_nanos}, billed with {bill}")
        elif row.source != "upstream" and (bill is not None or not row.reason):
            wrong.append(f"{row.id} is {row.source} without need, or without a reason")
    return wrong


async def test_i3_the_book_is_the_bill(tmp_path: Path) -> None:
    wishes = [f"{wish}-{number}" for number, wish in enumerate(["whole", "cached", "stream", "cut", "stream", "whole", "slow"])]
    async with ScriptedUpstream(script) as up, house(tmp_path, log_level="error") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20) as client:
            for wish in wishes:
                await play(client, wish)
        rows = [row for row in await book(home, len(up.requests)) if row.attempts]
        sent = [Sent(request.header("x-request-id") or "", billed(request)) for request in up.requests]
    assert breaks_i3(rows, sent) == []
    # canaries: one nano-dollar, a row twice, a row lost, a row from nowhere
    dearer = [*rows[1:], msgspec.structs.replace(rows[0], source="upstream", cost_nanos=(rows[0].cost_nanos or 0) + 1)]
    for broken in (dearer, [*rows, rows[0]], rows[1:], [*rows, msgspec.structs.replace(rows[0], id="nobody-sent-this")]):
        assert breaks_i3(broken, sent)


def breaks_i5(url: str, cap: Decimal) -> list[str]:
    used = taken(url)
    return [f"{used} of {cap} USD are spent or held"] if used > cap else []


async def test_i5_a_cap_is_never_passed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/doorward.db"
    cap, wrong = Decimal("0.20"), list[str]()
    async with process(url) as one, process(url) as two:

        async def spend(budgets: object) -> bool:
            try:
                await call(budgets, key("0.20"), cents=2, usd="0.01", sleep_s=0.02)  # type: ignore[arg-type]
            except BudgetExceeded:
                return False
            finally:
                wrong.extend(breaks_i5(url, cap))
            return True

        admitted = sum(await asyncio.gather(*(spend((one, two)[n % 2]) for n in range(40))))
        assert admitted > 0
        assert wrong == []
    query(url, "UPDATE budget_periods SET spent_nanos = 200000001")
    assert breaks_i5(url, cap), "the canary: a nano-dollar over"


def breaks_i7(row: CallRow, delivered_nanos: int) -> list[str]:
    cost, held = row.cost_nanos, row.held_nanos
    if cost is None or held is None or not 0 < delivered_nanos <= cost <= held:
        return [f"{row.id} cost {cost}: {delivered_nanos} was delivered, {held} held"]
    return []


async def test_i7_a_stream_that_was_left_is_paid_for(tmp_path: Path) -> None:
    stream = chat_stream([f"w{n} " for n in range(10)], input_tokens=10, pause_s=0.03)
    async with ScriptedUpstream(stream) as up, house(tmp_path, log_level="error") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        key_ = await home.key(limits=KeyLimits(budget_nanos=10**12, budget_period="ever"))
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key_}"}, timeout=20) as client:
            read = await left_after(client, 4, "left-early-1")
            row = await row_of(Calls(home.app.ground.store), "left-early-1")
    delivered = 10 * IN + read * OUT
    assert breaks_i7(row, delivered) == []
    for cost in (0, None, delivered - 1, (row.held_nanos or 0) + 1):
        assert breaks_i7(msgspec.structs.replace(row, cost_nanos=cost), delivered)


async def test_i8_nothing_stays_reserved(tmp_path: Path) -> None:
    stream = chat_stream([f"w{n} " for n in range(40)], input_tokens=10, pause_s=0.03)
    async with ScriptedUpstream(stream) as up, house(tmp_path, log_level="error") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        key_ = await home.key(limits=KeyLimits(budget_nanos=10**12, budget_period="ever", concurrency=3))
        url = f"sqlite:///{home.data_dir / 'doorward.db'}"
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key_}"}, timeout=20) as client:
            open_calls = [asyncio.create_task(left_after(client, 30, f"reserved-{n}")) for n in range(3)]
            await eventually(lambda: home.app.traffic.ledger.open_calls == 3)
            await eventually(lambda: leased(url) > 0)  # the canary: open calls do reserve
            full = await client.post(PATH, json=ASK)
            assert full.json()["error"]["code"] == "concurrency_limit_exceeded"
            for each in open_calls[:1]:
                each.cancel()
            await asyncio.gather(*open_calls, return_exceptions=True)
            await eventually(lambda: leased(url) == 0)
            assert home.app.traffic.ledger.open_calls == 0
            assert up.open == 0 or not any(
                request.answered_s is None for request in up.requests if request.connection.ended_s is None
            )
            again = [client.post(PATH, json=ASK) for _ in range(3)]
            assert [answer.status_code for answer in await asyncio.gather(*again)] == [200] * 3, "every seat was given back"

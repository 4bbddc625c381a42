"""I5 with real gateways: calls at once against one budget, through several `doorward serve` on one database."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, Sleep, chat_answer
from tests.counts import count
from tests.ledger.purse import eventually, leased, rows
from tests.money.gateways import ASK, IN, OUT, PATH, Gateway, furnish, gateways
from tests.scripted import Request, ScriptedUpstream

CALLS = count("concurrent calls at a cap, real gateways", small=60, full=1000)
PROCESSES = count("gateways on one database", small=2, full=4)
COST = 10 * IN + 3 * OUT
CAP = COST * CALLS // 3
"""A third of the calls could be paid if holds cost nothing."""


def script(request: Request) -> Answer:
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.02))


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/shared.db"


@pytest.mark.timeout(0)
async def test_not_a_nano_dollar_over_the_cap(shared_url: str, tmp_path: Path) -> None:
    async with ScriptedUpstream(script) as up:
        key = await furnish(shared_url, up.base_url, budget_nanos=CAP)
        made = [Gateway(tmp_path / f"g{n}", {"DOORWARD_DATABASE_URL": shared_url}) for n in range(PROCESSES)]
        for gateway in made:
            gateway.data_dir.mkdir()
        async with gateways(*made):
            limits = httpx2.Limits(max_connections=CALLS)
            async with httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60, limits=limits) as client:

                async def one(number: int) -> str:
                    answer = await client.post(made[number % PROCESSES].url + PATH, json=ASK)
                    return "ok" if answer.status_code == 200 else str(answer.json()["error"]["code"])

                said = Counter(await asyncio.gather(*(one(number) for number in range(CALLS))))
                after = await client.post(made[0].url + PATH, json=ASK)
                assert after.status_code in (200, 429)
            await eventually(lambda: leased(shared_url) == 0, within_s=20)
        billed = len(up.requests) * COST
    spent = sum(row[0] for row in rows(shared_url, "SELECT spent_nanos FROM budget_periods"))
    booked = rows(shared_url, "SELECT count(*), sum(cost_nanos) FROM calls WHERE outcome <> 'refused'")[0]
    print(f"{CALLS} calls at once over {PROCESSES} gateways, {shared_url.split(':')[0]}: {dict(said)}; cap {CAP}, billed {billed}")
    # a database that does not answer within 5 s closes the door, and so does a full queue: no call passes the cap by either
    assert set(said) <= {"ok", "budget_exceeded", "budget_unavailable", "overloaded"}
    assert billed <= CAP, "the upstream billed more than the cap"
    assert spent == billed == int(booked[1]), "budget, bill and book are one number"
    assert booked[0] == len(up.requests)
    assert said["ok"] >= CALLS // 30, "the money that was there was not lent out"

"""Budgets, prices and estimates over the control plane: admin sets, everybody sees their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.edge.plane import Plane, plane

from doorward.core.money import nanos_of_usd
from doorward.core.usage import Usage
from doorward.store.tables.doors import providers


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Plane]:
    async with plane(tmp_path) as opened:
        yield opened


CHAT = {"model": "sim-gpt", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 50}


async def priced(door: Plane) -> None:
    """The simulator's models under a price list of their own, as an operator would try budgets out."""
    await door.door.provider("priced", "http://127.0.0.1:9", "paid-*", auth="none")
    for unit, usd in (("input_mtok", "1000"), ("output_mtok", "10000")):
        await door.ask("PUT", "/prices", {"price_list": "priced", "model": "paid-*", "unit": unit, "usd": usd})


async def test_budgets_are_set_listed_and_lifted(door: Plane) -> None:
    assert (await door.ask("GET", "/budgets"))["data"] == []
    made = await door.ask("PUT", "/budgets/all", {"cap_usd": "12.50", "period": "month"})
    assert (made["subject"], made["cap_usd"], made["spent_usd"], made["left_usd"]) == ("all", "12.5", "0", "12.5")
    assert made["resets_at"] > 0
    key = (await door.ask("POST", "/keys", {"label": "app"}, status=201))["id"]
    await door.ask("PUT", f"/budgets/key:{key}", {"cap_usd": 3, "period": "ever"})
    listed = (await door.ask("GET", "/budgets"))["data"]
    assert [(row["subject"], row["label"]) for row in listed] == [("all", "everything together"), (f"key:{key}", "app")]
    assert (await door.ask("DELETE", f"/budgets/key:{key}"))["deleted"] is True
    await door.ask("DELETE", "/budgets/all")
    assert (await door.ask("GET", "/budgets"))["data"] == []


@pytest.mark.parametrize(
    ("subject", "body", "status", "param"),
    [
        ("all", {"cap_usd": -1, "period": "day"}, 422, "cap_usd"),
        ("all", {"cap_usd": "NaN", "period": "day"}, None, None),
        ("all", {"cap_usd": 1e9, "period": "day"}, 422, "cap_usd"),
        ("all", {"cap_usd": 1, "period": "year"}, 422, "period"),
        ("all", {"cap_usd": 1}, None, None),
        ("team:x", {"cap_usd": 1, "period": "day"}, 422, "subject"),
        ("key:nobody", {"cap_usd": 1, "period": "day"}, 404, "subject"),
        ("user:nobody@example.com", {"cap_usd": 1, "period": "day"}, 404, "subject"),
    ],
)
async def test_a_wrong_budget_is_a_clear_4xx(
    door: Plane, subject: str, body: dict[str, Any], status: int | None, param: str | None
) -> None:
    answer = await door.http.put(f"/api/v1/budgets/{subject}", json=body, headers={"authorization": f"Bearer {door.admin}"})
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["message"]
    if status is not None:
        assert (answer.status_code, error["param"]) == (status, param)


async def test_only_admins_set_money_and_everybody_sees_their_own(door: Plane) -> None:
    plain = await door.door.key()
    for method, path, body in (
        ("GET", "/budgets", None),
        ("PUT", "/budgets/all", {"cap_usd": 1, "period": "day"}),
        ("DELETE", "/budgets/all", None),
        ("PUT", "/prices", {"price_list": "openai", "model": "x", "unit": "input_mtok", "usd": 1}),
        ("DELETE", "/prices?price_list=openai&model=x", None),
    ):
        await door.refused(method, path, 403, body, key=plain)
    assert (await door.ask("GET", "/me/budget", key=plain))["data"] == []
    await door.ask("PUT", "/budgets/all", {"cap_usd": 7, "period": "ever"})
    mine = (await door.ask("GET", "/me/budget", key=plain))["data"]
    assert [(row["subject"], row["cap_usd"]) for row in mine] == [("all", "7")]


async def test_prices_are_listed_set_and_taken_back(door: Plane) -> None:
    listed = await door.ask("GET", "/prices?model=gpt-4o-mini")
    assert {
        "price_list": "openai",
        "model": "gpt-4o-mini",
        "unit": "input_mtok",
        "usd": "0.15",
        "own": False,
        "above_input_tokens": None,
    } in listed["data"]
    assert "genai-prices" in listed["version"]
    own = {"price_list": "openai", "model": "gpt-4o-mini", "unit": "input_mtok", "usd": "0.2"}
    assert (await door.ask("PUT", "/prices", own))["own"] is True
    prices = door.door.app.traffic.budgets.prices
    assert prices.cost("openai", "gpt-4o-mini", "chat", Usage(input_tokens=1_000_000)).nanos == nanos_of_usd(Decimal("0.2"))
    assert (await door.ask("DELETE", "/prices?price_list=openai&model=gpt-4o-mini"))["removed"] == 1
    assert prices.cost("openai", "gpt-4o-mini", "chat", Usage(input_tokens=1_000_000)).nanos == nanos_of_usd(Decimal("0.15"))
    await door.refused("DELETE", "/prices?price_list=openai&model=gpt-4o-mini", 404)


@pytest.mark.parametrize(
    ("change", "param"),
    [({"usd": -1}, "usd"), ({"unit": "per_word"}, "unit"), ({"usd": 1e8}, "usd"), ({"price_list": "free"}, "price_list")],
)
async def test_a_wrong_price_is_a_clear_4xx(door: Plane, change: dict[str, Any], param: str) -> None:
    body = {"price_list": "openai", "model": "m", "unit": "input_mtok", "usd": "1"} | change
    error = await door.refused("PUT", "/prices", 422, body)
    assert error["param"] == param


async def test_an_estimate_says_tokens_price_and_admission(door: Plane) -> None:
    free = await door.ask("POST", "/estimate", CHAT)
    assert (free["provider"], free["cost_usd"], free["hold_usd"], free["admitted"]) == ("simulator", "0", "0", True)
    assert free["input_tokens"] > 0
    await priced(door)
    await door.ask("PUT", "/budgets/all", {"cap_usd": "1", "period": "ever"})
    fits = await door.ask("POST", "/estimate", CHAT | {"model": "paid-1"})
    assert fits["admitted"] is True
    assert Decimal(fits["cost_usd"]) >= Decimal("0.5")
    assert Decimal(fits["hold_usd"]) >= Decimal(fits["cost_usd"])
    dear = await door.ask(
        "POST", "/estimate", {"endpoint": "/v1/chat/completions", "body": CHAT | {"model": "paid-1", "max_tokens": 500}}
    )
    assert dear["admitted"] is False
    assert "is left of the budget of everything together" in dear["why"]
    tools = {"model": "paid-1", "input": "x", "tools": [{"type": "web_search"}]}
    open_end = await door.ask("POST", "/estimate", tools)
    assert (open_end["admitted"], open_end["hold_usd"]) == (False, None)
    assert "max_tool_calls" in open_end["why"]
    assert (await door.ask("GET", "/budgets"))["data"][0]["spent_usd"] == "0", "nothing was spent by asking"


async def test_a_wrong_estimate_is_a_clear_4xx(door: Plane) -> None:
    await door.refused("POST", "/estimate", 422, {"hello": 1})
    await door.refused("POST", "/estimate", 404, {"endpoint": "/v1/nothing", "body": {}})
    await door.refused("POST", "/estimate", 404, CHAT | {"model": "no-such-model"})


async def test_calls_through_the_door_are_held_and_refused(tmp_path: Path) -> None:
    """The whole way: a real call of the simulator, priced by the operator, until the budget is used up."""
    async with plane(tmp_path) as door:
        for unit, usd in (("input_mtok", "100"), ("output_mtok", "1000")):
            await door.ask("PUT", "/prices", {"price_list": "mine", "model": "sim-*", "unit": unit, "usd": usd})
        async with door.door.app.ground.store.writing() as connection:
            await connection.execute(update(providers).where(providers.c.id == "simulator").values(prices="mine"))
        await door.door.app.ground.catalogue.changed()
        await asyncio.sleep(0.3)
        await door.ask("PUT", "/budgets/all", {"cap_usd": "0.10", "period": "ever"})
        statuses = []
        for _ in range(12):
            answer = await door.http.post(
                "/v1/chat/completions", json=CHAT | {"max_tokens": 20}, headers={"authorization": f"Bearer {door.admin}"}
            )
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                break
        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert answer.json()["error"]["code"] == "budget_exceeded"
        assert answer.headers["x-should-retry"] == "false"
        state = (await door.ask("GET", "/budgets"))["data"][0]
        assert Decimal(state["spent_usd"]) + Decimal(state["held_usd"]) <= Decimal("0.10")

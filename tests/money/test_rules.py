"""Rules of money over a whole house: what heads say, whose budget a rotated key has, whose prices a provider has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.answers import chat_answer, chat_stream
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream

from doorward.core.caller import KeyLimits

ASK: dict[str, Any] = {
    "model": "scripted/gpt-4o-mini",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "Say something nice."}],
}


def script(request: Request) -> Any:
    if request.json.get("stream"):
        return chat_stream(["a ", "b "], input_tokens=10)
    return chat_answer("Hello", input_tokens=10, output_tokens=3)


@asynccontextmanager
async def open_house(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[House, httpx2.AsyncClient]]:
    async with ScriptedUpstream(script) as up, house(tmp_path, log_level="warning", **changes) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        async with httpx2.AsyncClient(base_url=home.url, timeout=20) as client:
            yield home, client


async def test_a_whole_answers_head_says_what_it_cost(tmp_path: Path) -> None:
    async with open_house(tmp_path, cache=True) as (home, client):
        client.headers["authorization"] = f"Bearer {await home.key()}"
        first = await client.post("/v1/chat/completions", json=ASK)
        assert first.headers["x-doorward-cost-usd"] == "0.0000033"
        again = await client.post("/v1/chat/completions", json=ASK)
        assert again.headers["x-doorward-cache"] == "hit"
        assert again.headers["x-doorward-cost-usd"] == "0"
        for name in ("x-doorward-cache", "x-doorward-attempts", "x-doorward-cost-usd"):
            assert len(again.headers.get_list(name)) == 1
        streamed = await client.post("/v1/chat/completions", json={**ASK, "stream": True})
        assert "x-doorward-cost-usd" not in streamed.headers, "a stream's cost is not known when its head goes out"


async def test_a_rotated_key_keeps_its_budget(tmp_path: Path) -> None:
    async with open_house(tmp_path) as (home, client):
        limits = KeyLimits(budget_nanos=60_000, budget_period="ever")
        old = await home.key(limits=limits)
        admin = {"authorization": f"Bearer {await home.key(scopes=('call', 'me', 'admin'))}"}
        bearer = {"authorization": f"Bearer {old}"}
        assert (await client.post("/v1/chat/completions", json=ASK, headers=bearer)).status_code == 200
        old_id = old.split("-")[1]
        made = await client.post(f"/api/v1/keys/{old_id}/rotate", json={"overlap_s": 3600}, headers=admin)
        assert made.status_code in (200, 201), made.text
        new = {"authorization": f"Bearer {made.json()['key']}"}
        answers = []
        for _ in range(25):
            answers.append(await client.post("/v1/chat/completions", json=ASK, headers=new))
            await asyncio.sleep(0.02)
        codes = [answer.status_code for answer in answers]
        assert 200 in codes
        refused = answers[codes.index(429)]
        assert refused.json()["error"]["code"] == "budget_exceeded"
        # one budget is listed for the chain, whichever key it is asked by, and changing it by either changes both
        budgets = (await client.get("/api/v1/budgets", headers=admin)).json()["data"]
        assert [budget["subject"] for budget in budgets] == [f"key:{old_id}"]
        changed = await client.put(
            f"/api/v1/budgets/key:{made.json()['id']}", json={"cap_usd": "1", "period": "ever"}, headers=admin
        )
        assert changed.json()["subject"] == f"key:{old_id}"
        await asyncio.sleep(0.3)
        for key in (bearer, new):
            assert (await client.post("/v1/chat/completions", json=ASK, headers=key)).status_code == 200


async def test_a_providers_price_list_is_set_over_the_api(tmp_path: Path) -> None:
    async with open_house(tmp_path) as (home, client):
        key = await home.key(scopes=("call", "me", "admin"))
        client.headers["authorization"] = f"Bearer {key}"
        for prices, cost in (("free", "0"), (None, None), ("openai", "0.0000033")):
            changed = await client.patch("/api/v1/providers/scripted", json={"prices": prices})
            assert changed.json()["prices"] == prices
            await home.app.ground.catalogue.refresh()
            answer = await client.post("/v1/chat/completions", json=ASK)
            assert answer.headers.get("x-doorward-cost-usd") == cost
        kept = await client.patch("/api/v1/providers/scripted", json={"name": "Scripted"})
        assert kept.json()["prices"] == "openai"
        wrong = await client.patch("/api/v1/providers/scripted", json={"prices": "NO LIST"})
        assert wrong.status_code == 422

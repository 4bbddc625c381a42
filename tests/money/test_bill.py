"""I3 and I7 over sockets: the book equals the upstream's own bill to the nano-dollar, and every call has one row."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import Answer, Close, Reset, chat_answer, chat_stream, error_answer, json_answer
from tests.counts import count
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream

from doorward.store.book_check import BookCheck
from doorward.store.call_rows import CallRow
from doorward.store.calls import Filter

IN, CACHED, OUT = 150, 75, 600
"""gpt-4o-mini: nano-dollars a token ($0.15, $0.075, $0.60 a million)."""
ASK = {"model": "scripted/gpt-4o-mini", "messages": [{"role": "user", "content": "Say something nice about the sea."}]}


def script(request: Request) -> Answer:
    """What the request's own first tag asks for; bills are booked only for answers that were sent whole."""
    body = request.json
    wish, _, number = body["user"].partition("-")
    words = [f"w{n} " for n in range(1 + int(number or 0) % 7)]
    tokens = 10 + int(number or 0)
    match wish:
        case "whole":
            return chat_answer("".join(words), input_tokens=tokens, output_tokens=len(words))
        case "cached":
            usage = {"prompt_tokens": tokens, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
            return json_answer({"choices": [], "usage": usage})
        case "stream":
            return chat_stream(words, input_tokens=tokens)
        case "cut":
            whole = chat_stream([*words, "and ", "more ", "words"], input_tokens=tokens)
            # after the head and the first three events, before the usage
            return whole.cut(len(b"".join(step for step in whole.steps[:4] if isinstance(step, bytes))), Reset())
        case "slow":
            return chat_stream(words * 20, input_tokens=tokens, pause_s=0.02)
        case "lost":
            return Answer((Close(),))
        case _:
            return error_answer(400, "bad")


def billed(request: Request) -> int | None:
    """The upstream's own sum for a request that was answered whole, in nano-dollars."""
    wish, _, number = request.json["user"].partition("-")
    tokens, words = 10 + int(number), 1 + int(number) % 7
    match wish:
        case "whole" | "stream":
            return tokens * IN + words * OUT
        case "cached":
            return (tokens - 4) * IN + 4 * CACHED + 3 * OUT
        case _:
            return None


async def book(home: House, calls: int) -> list[CallRow]:
    """Rows of the book, once there are so many: they are due a second after settling."""
    accounting = home.app.traffic.ledger.book._shelf
    rows: list[CallRow] = []
    for _ in range(200):
        rows = await accounting.page(Filter(), 100_000)  # type: ignore[attr-defined]  # the shelf is `Calls`
        if len(rows) >= calls:
            break
        await asyncio.sleep(0.05)
    return rows


async def play(client: httpx2.AsyncClient, user: str) -> None:
    streamed = user.split("-")[0] in ("stream", "cut", "slow")
    try:
        async with client.stream("POST", "/v1/chat/completions", json={**ASK, "user": user, "stream": streamed}) as answer:
            read = 0
            async for chunk in answer.aiter_bytes():
                read += len(chunk)
                if user.startswith("slow") and read > 300:
                    break  # the client leaves
    except httpx2.HTTPError:
        pass


async def test_the_book_equals_the_bill(tmp_path: Path) -> None:
    total = count("scripted calls", small=120, full=5_000)
    chance = random.Random(7)
    # faults are few enough that no breaker opens for good: the calls shall reach the upstream
    wishes = ["whole"] * 6 + ["cached"] * 3 + ["stream"] * 6 + ["slow"] * 2 + ["cut", "lost", "bad"]
    users = [f"{chance.choice(wishes)}-{n}" for n in range(total)]
    async with ScriptedUpstream(script) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        for number in range(5):
            await home.account("scripted", label=f"a{number}")
        key = await home.key()
        headers = {"authorization": f"Bearer {key}"}
        limits = httpx2.Limits(max_connections=16)
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20, limits=limits) as client:
            gate = asyncio.Semaphore(12)

            async def one(user: str) -> None:
                async with gate:
                    await play(client, user)

            await asyncio.gather(*(one(user) for user in users))
        seen = Counter(request.json["user"] for request in up.requests)
        rows = [row for row in await book(home, len(seen)) if row.attempts]
        findings = await BookCheck(home.app.ground.store).findings()
    print(Counter((row.outcome, row.source, row.reason) for row in rows))
    assert findings == []
    assert len(seen) > total * 0.8, "most calls must reach the upstream, or this proves little"
    assert len(rows) == len(seen), "no call without a row, none with two"
    truth = sum(billed(request) or 0 for request in up.requests)
    assert sum(row.cost_nanos or 0 for row in rows if row.source == "upstream") == truth
    for row in rows:
        if row.source != "upstream":
            assert row.reason
            assert row.cost_nanos is not None
            assert row.cost_nanos > 0
    assert {row.source for row in rows} > {"upstream"}
    assert {row.outcome for row in rows} >= {"done", "failed"}


async def test_people_see_their_own_calls_and_why(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("Hello")) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        keys = {name: await home.key(label=name) for name in ("first", "second")}
        keys["admin"] = await home.key(label="admin", scopes=("call", "me", "admin"))
        async with httpx2.AsyncClient(base_url=home.url, timeout=20) as client:

            async def get(who: str, path: str, **params: Any) -> httpx2.Response:
                return await client.get("/api/v1" + path, headers={"authorization": f"Bearer {keys[who]}"}, params=params)

            ids = {}
            for who, key in keys.items():
                headers = {"authorization": f"Bearer {key}", "x-doorward-tags": f"team-{who},all"}
                answer = await client.post("/v1/chat/completions", json=ASK, headers=headers)
                ids[who] = answer.headers["x-request-id"]
            await book(home, 3)
            assert [call["id"] for call in (await get("first", "/calls")).json()["data"]] == [ids["first"]]
            assert {call["id"] for call in (await get("admin", "/calls")).json()["data"]} == set(ids.values())
            assert [call["id"] for call in (await get("admin", "/calls", mine=True)).json()["data"]] == [ids["admin"]]
            page = (await get("admin", "/calls", limit=2)).json()
            rest = (await get("admin", "/calls", limit=2, after=page["after"])).json()
            assert page["has_more"]
            assert not rest["has_more"]
            assert [call["id"] for call in page["data"] + rest["data"]] == list(reversed(list(ids.values())))

            why = (await get("first", f"/calls/{ids['first']}")).json()
            assert [step["step"] for step in why["steps"]][0] == "authenticated"
            assert [step["step"] for step in why["steps"]][-1] == "settled"
            assert {"route", "attempt"} <= {step["step"] for step in why["steps"]}
            assert why["cost_nanos"] == 10 * IN + 5 * OUT
            assert (await get("second", f"/calls/{ids['first']}")).status_code == 404
            assert (await get("admin", f"/calls/{ids['first']}")).status_code == 200
            assert (await get("first", "/calls/req_nobody")).status_code == 404

            [mine] = (await get("first", "/usage")).json()["rows"]
            assert (mine["label"], mine["calls"], mine["input_tokens"], mine["output_tokens"]) == ("first", 1, 10, 5)
            assert mine["cost_usd"] == pytest.approx(4.5e-06)
            assert len((await get("admin", "/usage")).json()["rows"]) == 3
            assert {r["tag"]: r["calls"] for r in (await get("admin", "/usage", by="tag")).json()["rows"]}["all"] == 3
            for wrong in ({"tz": "Mars/Base"}, {"by": "colour"}, {"from": "yesterday"}, {"from": "2026-02-02", "to": "2026-01-01"}):
                refused = await get("first", "/usage", **wrong)
                assert 400 <= refused.status_code < 500, wrong
                assert refused.json()["error"]["message"]
            assert (await get("first", "/calls", after="rubbish")).json()["error"]["param"] == "after"
            csv = await get("first", "/usage", format="csv", by="model")
            assert csv.headers["content-type"].startswith("text/csv")
            assert csv.text.splitlines()[1].startswith("gpt-4o-mini,1,10,5,0.0000045,0,4500")
        env = {**os.environ, "DOORWARD_DATA_DIR": str(home.data_dir), "NO_COLOR": "1"}
        usage = await _doorward(env, "usage", "--json")
        assert sum(row["calls"] for row in usage["rows"]) == 3
        assert {"key_id", "label", "calls", "input_tokens", "output_tokens", "cost_usd", "unknown_cost_calls"} <= set(
            usage["rows"][0]
        )
        verified = await _doorward(env, "ledger", "verify", "--json")
        assert verified["ok"]
        assert verified["calls"] == 3


async def _doorward(env: dict[str, str], *words: str) -> Any:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorward", *words, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return json.loads(out)


async def test_an_unlisted_price_is_unknown_in_usage(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("Hello")) as up, house(tmp_path) as home:
        await home.provider("mine", up.base_url, "house-model")
        await home.account("mine")
        key = await home.key()
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
            await client.post("/v1/chat/completions", json={**ASK, "model": "house-model"})
            [row] = await book(home, 1)
            assert row.cost_nanos is None
            assert row.source == "upstream"
            [usage] = (await client.get("/api/v1/usage")).json()["rows"]
            assert (usage["cost_usd"], usage["unknown_cost_calls"]) == (0, 1)

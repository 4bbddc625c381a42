"""I10: one request id joins client, log, ledger and upstream; also where a call is refused, fails or breaks off."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, chat_answer, chat_stream, error_answer
from tests.house import house
from tests.money.gateways import ASK, PATH
from tests.scripted import Request, ScriptedUpstream


def script(request: Request) -> Answer:
    call_id = request.header("x-request-id") or ""
    if "fails" in call_id:
        return error_answer(400, "bad")
    if request.json.get("stream"):
        return chat_stream(["a ", "b "], input_tokens=10)
    return chat_answer("Hello", input_tokens=10, output_tokens=3)


def apart(ids: dict[str, set[str]]) -> list[str]:
    """Places that do not know the same calls as the client."""
    return [place for place, known in ids.items() if known != ids["client"]]


async def test_one_id_joins_them_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ids: dict[str, set[str]] = {"client": set()}
    async with ScriptedUpstream(script) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20) as client:
            sent: list[tuple[str | None, dict[str, object]]] = [
                ("mine-whole-1", ASK),
                ("mine-fails-2", ASK),
                ("mine-stream-3", {**ASK, "stream": True}),
                (None, ASK),
                ("bad id!", ASK),
            ]
            for wish, body in sent:
                answer = await client.post(PATH, json=body, headers={} if wish is None else {"x-request-id": wish})
                shown = answer.headers["x-request-id"]
                assert wish in (None, "bad id!") or shown == wish
                ids["client"].add(shown)
            refused = await client.post(PATH, json={**ASK, "model": "nobody-has-this"}, headers={"x-request-id": "mine-refused-9"})
            assert refused.headers["x-request-id"] == "mine-refused-9"
            for _ in range(100):
                data = (await client.get("/api/v1/calls")).json()["data"]
                if len(data) >= 6:
                    break
                await asyncio.sleep(0.05)
            why = await client.get("/api/v1/calls/mine-whole-1")
            assert why.json()["id"] == "mine-whole-1"
        ids["ledger"] = {call["id"] for call in data}
        ids["upstream"] = {request.header("x-request-id") or "" for request in up.requests}
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    ids["log"] = {line["request_id"] for line in lines if line.get("event") == "call"}
    for place in ("ledger", "log"):
        assert "mine-refused-9" in ids[place], "a refusal is found by its id as well"
        ids[place].discard("mine-refused-9")
    assert apart(ids) == []
    assert apart({**ids, "log": ids["log"] - {"mine-whole-1"}}) == ["log"], "the canary: a call that one place does not know"

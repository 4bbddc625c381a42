"""Summaries to the letter of R43, counted at a scripted upstream."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Sleep, chat_answer, error_answer
from tests.apps.desk import Desk, desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream

from doorward.providers.tokens import count_text
from doorward.store import engine

MODEL = "gpt-4o-mini"
SENTENCE = "The committee met on Monday and decided three things about the bridge over the river. "


def text_of(tokens: int) -> str:
    return SENTENCE * (tokens // 16 + 1)


def summary(request: Request) -> Any:
    return chat_answer(f"summary of {len(request.json['messages'][1]['content'])}")


def scripted(request: Request) -> Any:
    return summary(request)


async def counted(here: Desk, up: ScriptedUpstream, text: str, query: str = "", **body: Any) -> tuple[dict[str, Any], int]:
    before = up.calls
    answer = await here.ask("POST", f"/apps/summarize{query}", {"text": text, **body})
    return answer, up.calls - before


async def test_a_summary_that_cannot_be_kept_is_given_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    locks: list[sqlite3.Connection] = []

    def locking(request: Request) -> Any:
        if not locks:
            locks.append(sqlite3.connect(next(tmp_path.rglob("doorward.db")), isolation_level=None))
            locks[0].execute("BEGIN IMMEDIATE")
        return summary(request)

    async with ScriptedUpstream(locking) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        try:
            answer, calls = await counted(here, up, "A short text about bridges.")
            assert (answer["summary"], calls) == ("summary of 27", 1)
        finally:
            locks[0].close()
        again, calls = await counted(here, up, "A short text about bridges.")
        assert (again["cached"], calls) == (False, 1)


async def test_short_texts_are_one_call_and_kept(tmp_path: Path) -> None:
    async with ScriptedUpstream(scripted) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        answer, calls = await counted(here, up, "A short text about bridges.")
        assert calls == 1
        assert answer == {
            "summary": "summary of 27",
            "truncated": False,
            "input_tokens": count_text("A short text about bridges.", MODEL).tokens,
            "chunks": 1,
            "cached": False,
        }
        body = up.requests[0].json
        assert (body["model"], body["max_tokens"]) == (MODEL, 200)
        again, calls = await counted(here, up, "A short text about bridges.")
        assert (again, calls) == ({**answer, "cached": True}, 0)
        fresh, calls = await counted(here, up, "A short text about bridges.", "?fresh=1")
        assert (fresh["cached"], calls) == (False, 1)
        other = await here.http.post(
            "/summarize", json={"text": "A short text about bridges."}, headers=here.headers(await here.other())
        )
        assert other.json()["cached"] is False, "no hit crosses owners"
        assert other.headers["x-doorward-cache"] == "miss"


async def test_longer_texts_are_cut_or_read_whole(tmp_path: Path) -> None:
    async with ScriptedUpstream(scripted) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        text = text_of(9000)
        answer, calls = await counted(here, up, text)
        assert (calls, answer["truncated"], answer["chunks"]) == (1, True, 1)
        assert answer["input_tokens"] == count_text(text, MODEL).tokens > 8000
        sent = up.requests[-1].json["messages"][1]["content"]
        assert text.startswith(sent)
        assert 7990 <= count_text(sent, MODEL).tokens <= 8000
        whole, calls = await counted(here, up, text, "?mode=full")
        assert (calls, whole["truncated"], whole["chunks"]) == (1, False, 1)
        assert up.requests[-1].json["messages"][1]["content"] == text


async def test_very_long_texts_are_read_in_slices_and_told(tmp_path: Path) -> None:
    async with ScriptedUpstream(scripted) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        text = text_of(120_000)
        headers = here.headers(accept="text/event-stream")
        answer = await here.http.post("/apps/summarize", json={"text": text}, headers=headers)
        assert answer.headers["content-type"] == "text/event-stream"
        frames = [frame.removeprefix("data: ") for frame in answer.text.split("\n\n") if frame]
        assert frames[-1] == "[DONE]"
        told = [json.loads(frame) for frame in frames[:-1]]
        assert [one["progress"] for one in told[:-1]] == [{"chunk": n, "of": 3} for n in (1, 2, 3)]
        result = told[-1]["result"]
        assert (result["chunks"], result["truncated"]) == (3, False)
        slices = sorted((r.json["messages"][1]["content"] for r in up.requests[:3]), key=text.find)
        assert sum(map(len, slices)) == len(text)
        assert all(count_text(one, MODEL).tokens <= 50_000 for one in slices)
        assert up.requests[3].json["messages"][1]["content"].count("summary of") == 3


async def test_leaving_stops_every_slice(tmp_path: Path) -> None:
    slow = chat_answer().after(Sleep(8))
    async with ScriptedUpstream(slow) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        asking = asyncio.create_task(here.ask("POST", "/apps/summarize", {"text": text_of(150_000)}))
        await up.wait_for_calls(4, 10)
        asking.cancel()
        left = time.monotonic()
        await up.wait_for_leavers(4)
        assert max(c.left_s or 0 for c in up.connections) - left < 0.25
        assert up.calls == 4


async def test_one_slice_that_fails_ends_the_rest_and_keeps_nothing(tmp_path: Path) -> None:
    def script(request: Request) -> Any:
        return error_answer(400, "content_policy_violation") if request.number == 1 else chat_answer().after(Sleep(5))

    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, default_model=MODEL) as here:
        await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
        began = time.monotonic()
        error = await here.refused("POST", "/apps/summarize", 400, {"text": text_of(110_000)})
        assert error["code"] == "content_policy_violation"
        assert time.monotonic() - began < 5


async def test_a_dear_summary_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    async with ScriptedUpstream(scripted) as up:
        async with scripted_desk(tmp_path, up, default_model=MODEL, app_cost_cap_usd="0.001") as here:
            await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="openai")
            error = await here.refused("POST", "/apps/summarize?mode=full", 400, {"text": text_of(60_000)})
            assert error["code"] == "cost_cap_exceeded"
            assert up.calls == 0
            await here.ask("POST", "/apps/summarize", {"text": "short"})


async def test_bad_texts(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        for body in ({"text": ""}, {"text": "\x00 \x07"}, {}, {"text": 1}, {"text": "a", "extra": 1}):
            await here.refused("POST", "/apps/summarize", 422, body)
        answer = await here.ask("POST", "/apps/summarize", {"text": text_of(300)})
        assert answer["summary"]

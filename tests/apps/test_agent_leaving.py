"""Who leaves an agent's stream stops it upstream, whatever it waits for: the model, or what a tool fetches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, Sleep, chat_answer, json_answer
from tests.apps.desk import Desk, scripted_desk
from tests.apps.shop import place, wants
from tests.apps.test_agent import calls
from tests.scripted import ScriptedUpstream

SOON_S, TRIES = 0.25, 3
"""A busy machine may be late now and then, but not three times."""


async def stopped_s(here: Desk, upstream: ScriptedUpstream, calls_before_leaving: int) -> float:
    """Read the first step, wait until the upstream works, leave -> how long the upstream was still asked."""
    wanted, leavers = upstream.calls + calls_before_leaving, sum(one.left_s is not None for one in upstream.connections)
    headers = here.headers(accept="text/event-stream")
    async with here.http.stream("POST", "/apps/agent", json={"message": "go"}, headers=headers) as answer:
        frames = answer.aiter_bytes()
        assert b'"kind": "model"' in await anext(frames)
        await upstream.wait_for_calls(wanted)
        left = time.monotonic()
        await frames.aclose()
    await upstream.wait_for_leavers(leavers + 1)
    return max(one.left_s for one in upstream.connections if one.left_s is not None) - left


async def test_what_a_tool_fetches_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch, wants(), json_answer({}).after(Sleep(10))) as (here, _, api):
        took = [await stopped_s(here, api, 1) for _ in range(TRIES)]
        assert min(took) < SOON_S, took
        rows = await here.door.rows(2 * TRIES)
        assert {row.outcome for row in rows if row.endpoint == "/v1/apis/http/{adapter}"} == {"gone"}


async def test_the_models_call_is_stopped(tmp_path: Path) -> None:
    def script(request: Any) -> Answer:
        first = request.json["messages"][-1]["role"] == "user"
        return calls(("nobody", {})) if first else chat_answer("late").after(Sleep(10))

    async with ScriptedUpstream(script) as model, scripted_desk(tmp_path, model) as here:
        took = [await stopped_s(here, model, 2) for _ in range(TRIES)]
        assert min(took) < SOON_S, took

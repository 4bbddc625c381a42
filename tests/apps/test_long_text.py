"""Megabytes to summarize: read to the last character, told while it is read, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Sleep, chat_answer, error_answer
from tests.apps.desk import Desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream

from doorward.apps.counting import AT_ONCE_CHARS, in_steps, tokens_in
from doorward.apps.routes import progress
from doorward.providers.tokens import count_text

MODEL = "gpt-4o-mini"


def without_a_space(size: int) -> str:
    """The dearest to read: two characters a token, and no sentence to cut at."""
    return "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz", k=size))


def question(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


async def others_asked(here: Desk, until: asyncio.Future[Any]) -> int:
    """Calls of somebody else that were answered meanwhile."""
    key, answered = await here.other(), 0
    while not until.done():
        await here.ask("POST", "/api/v1/chat", {"prompt": "hello"}, key=key)
        answered += 1
        await asyncio.sleep(0.05)
    return answered


@pytest.mark.parametrize("kind", ["sentences", "one word"])
async def test_megabytes_are_read_while_others_are_served(tmp_path: Path, kind: str) -> None:
    sentence = "The committee met on Monday and decided three things about the bridge. "
    text = without_a_space(2_000_000) if kind == "one word" else (sentence * 150_000)[:10_000_000]
    async with ScriptedUpstream(lambda request: chat_answer("short")) as up:
        async with scripted_desk(tmp_path, up, default_model=MODEL) as here:
            await here.door.provider("mini", up.base_url, MODEL, auth="none", prices="free")
            headers = here.headers(accept="text/event-stream")
            asking = asyncio.ensure_future(here.http.post("/apps/summarize", json={"text": text}, headers=headers, timeout=150))
            served = await others_asked(here, asking)
            told = [
                json.loads(one.removeprefix("data: ")) for one in (await asking).text.split("\n\n") if one.startswith("data: {")
            ]
            read = [question(request) for request in up.requests if len(question(request)) > 20_000]
    result = told[-1]["result"]
    assert (result["truncated"], result["chunks"]) == (False, len(read))
    assert sum(map(len, read)) == len(text)
    assert [one["progress"]["chunk"] for one in told[:-1]] == list(range(1, len(read) + 1))
    assert served >= 3


async def test_a_long_count_is_the_same_in_parts() -> None:
    for text in ("", "short", without_a_space(AT_ONCE_CHARS * 2), "A sentence, and another one. " * 20_000):
        assert await tokens_in(text, MODEL) == count_text(text, MODEL).tokens
        assert await tokens_in(text, "nobody-knows") == count_text(text, "nobody-knows").tokens


async def test_who_leaves_leaves_no_work_behind() -> None:
    done = 0

    def steps() -> Iterator[int]:
        nonlocal done
        while done < 40:
            time.sleep(0.05)
            done += 1
            yield done

    async def work() -> None:
        async for _ in in_steps(steps()):
            pass

    working = asyncio.create_task(work())
    while done < 2:
        await asyncio.sleep(0.01)
    working.cancel()
    left = done
    await asyncio.sleep(0.5)
    assert done <= left + 1 < 40


async def test_a_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WAITING_S", 0.1)
    slow = chat_answer("short").after(Sleep(0.5))
    async with ScriptedUpstream(slow) as up, scripted_desk(tmp_path, up) as here:
        headers = here.headers(accept="text/event-stream")
        answer = await here.http.post("/apps/summarize", json={"text": "hello"}, headers=headers)
    frames = answer.text.split("\n\n")
    assert frames[0] == ": waiting"
    assert [frame for frame in frames if not frame.startswith(":")][1:] == ["data: [DONE]", ""]


async def test_a_refusal_after_a_comment_is_the_last_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "WAITING_S", 0.1)
    slow = error_answer(400, "content_policy_violation").after(Sleep(0.5))
    async with ScriptedUpstream(slow) as up, scripted_desk(tmp_path, up) as here:
        headers = here.headers(accept="text/event-stream")
        answer = await here.http.post("/apps/summarize", json={"text": "hello"}, headers=headers)
    assert (answer.status_code, answer.text.count("[DONE]")) == (200, 0)
    last = answer.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "content_policy_violation"

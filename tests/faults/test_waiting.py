"""What comes late or slowly: the gate, a drip, a stall inside an event; and that others are not harmed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.answers import Answer, Close, Drip, Never, Sleep, StopReading, chat_stream, error_answer, head
from tests.faults.stage import TEXT, WORDS, stage, well
from tests.faults.table import Row, record
from tests.scripted import Request

WAITING = ": waiting\n\n"
SSE = head(200, {"content-type": "text/event-stream", "connection": "close"})
EVENT = b'data: {"id":"x","model":"primary-1","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
async def test_the_gate_opens_and_failover_goes_on(tmp_path: Path, rescue: bool) -> None:
    """The status is held 0.3 s, then 200 and comments; a complete refusal that comes later still fails over."""
    slow_refusal = error_answer(503, None).after(Sleep(0.8))
    async with stage(tmp_path, slow_refusal, rescue=rescue, first_event_streamed_s=5.0, gate_s=0.3) as on:
        caller = await on.chat(stream=True)
        assert caller.is_whole, (caller.error, caller.raw[-300:])
        assert caller.raw.startswith(WAITING)
        assert caller.raw.count(WAITING) >= 2
        assert on.fallback.calls == 1
    record(Row("first event later than the gate, then 503", rescue, 1, "200, comments, whole answer", "2 + 1"))


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
async def test_a_silent_route_behind_the_gate(tmp_path: Path, rescue: bool) -> None:
    async with stage(tmp_path, Answer((Never(),)), rescue=rescue, first_event_streamed_s=1.0, gate_s=0.3) as on:
        caller = await on.chat(stream=True)
        assert caller.raw.startswith(WAITING)
        assert on.primary.calls == 1
        if rescue:
            assert caller.is_whole
        else:
            assert (caller.code, caller.done, on.fallback.calls) == ("upstream_silent", False, 0)
    outcome = "200, comments, whole answer" if rescue else "200, comments, error upstream_silent"
    record(Row("silent behind the gate", rescue, 1, outcome, "1 + 1" if rescue else "1 + 0"))


async def test_an_error_behind_the_gate_is_an_event_and_is_not_kept(tmp_path: Path) -> None:
    refusal = error_answer(400, "content_policy_violation", "No. sk-abcdefghij0123456789abcdef").after(Sleep(0.6))
    script = [refusal, refusal, chat_stream(WORDS)]
    async with stage(tmp_path, script, rescue=False, first_event_streamed_s=5.0, gate_s=0.2, cache=True) as on:
        for _ in range(2):
            caller = await on.chat(stream=True)
            assert (caller.status, caller.code, caller.done) == (200, "content_policy_violation", False)
            assert "sk-abc" not in caller.raw
            assert caller.headers["x-doorward-cache"] == "miss", "an error is never kept, whatever its status line said"
        assert (await on.chat(stream=True)).is_whole
        again = await on.chat(stream=True)
        assert again.is_whole
        assert again.headers["x-doorward-cache"] == "hit"
        assert WAITING not in again.raw
    record(Row("refused behind the gate", False, 2, "200, comments, error event", "1 + 0"))


async def test_a_client_that_leaves_at_the_gate_stops_the_upstream(tmp_path: Path) -> None:
    async with stage(tmp_path, Answer((Never(),)), rescue=True, first_event_streamed_s=30.0, gate_s=0.2) as on:
        call = asyncio.create_task(on.chat(stream=True))
        await on.primary.wait_for_calls(1)
        await asyncio.sleep(0.5)
        call.cancel()
        left = time.monotonic()
        await on.primary.wait_for_leavers(1)
        assert (on.primary.connections[0].left_s or 0) - left < 1.0


SLOW = {
    "one byte at a time": Answer((SSE, EVENT, Drip(EVENT, every_s=0.15), Never())),
    "stall inside an event": Answer((SSE, EVENT, EVENT[:30], Never())),
    "half-open: nothing more ever comes": Answer((SSE, EVENT, StopReading(), Never())),
}


@pytest.mark.parametrize("name", SLOW)
async def test_slow_is_late_and_others_are_not_harmed(tmp_path: Path, name: str) -> None:
    """Idle limit 1 s, give or take what a busy machine needs."""

    def script(request: Request) -> Answer:
        return chat_stream(WORDS, model="primary-2", pause_s=0.03) if request.json["model"] == "primary-2" else SLOW[name]

    async with stage(tmp_path, script, rescue=False) as on:
        slow, others = asyncio.create_task(on.chat(stream=True)), [on.chat(stream=True, model="primary-2") for _ in range(5)]
        for other in await asyncio.gather(*others):
            assert other.text == TEXT
            assert other.done
        caller = await slow
        assert (caller.code, caller.done, caller.text) == ("upstream_silent", False, "word")
        assert 0.9 < caller.took_s < 3.5, caller.took_s
        assert on.primary.calls == 6
    record(Row(name, False, 1, "error upstream_silent within the idle limit", "1 + 0"))


async def test_a_whole_answer_that_drips_is_let_come(tmp_path: Path) -> None:
    """Each byte of a JSON answer is a piece; only the whole call's limit ends it."""
    body = b'{"id":"x","model":"primary-1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'
    raw = head(200, {"content-type": "application/json", "content-length": str(len(body))})
    async with stage(tmp_path, Answer((raw, Drip(body, every_s=0.02))), rescue=False) as on:
        caller = await on.chat(stream=False)
        assert (caller.status, caller.text) == (200, "hi")


async def test_comments_are_no_event(tmp_path: Path) -> None:
    """A route that keeps the connection alive and says nothing is silent; the next one is asked."""
    talks = Answer((SSE, *[step for _ in range(40) for step in (b": ping\n\n", Sleep(0.1))], Close()))
    async with stage(tmp_path, talks, rescue=True) as on:
        caller = await on.chat(stream=True)
        assert caller.is_whole
        assert caller.took_s < 3.5
        assert (on.primary.calls, on.fallback.calls) == (1, 1)
    record(Row("comments and no event", True, 1, "whole answer", "1 + 1"))


async def test_an_error_inside_a_stream_is_one_error(tmp_path: Path) -> None:
    said = b'data: {"error":{"message":"The server had an error","type":"server_error","code":"engine_overloaded"}}\n\n'
    broken = Answer((SSE, EVENT, said, Close()))
    for rescue in (True, False):
        async with stage(tmp_path / str(rescue), broken, rescue=rescue, fallback_script=well) as on:
            caller = await on.chat(stream=True)
            assert caller.done == rescue
            assert caller.code == (None if rescue else "engine_overloaded")
            assert caller.raw.count('"error"') == (0 if rescue else 1)
            assert on.fallback.calls == int(rescue)


async def test_a_finished_stream_that_stays_open_ends_soon(tmp_path: Path) -> None:
    whole = chat_stream(WORDS, model="primary-1", done=False)
    open_ended = Answer((*whole.steps[:-1], Never()))
    async with stage(tmp_path, open_ended, rescue=False) as on:
        caller = await on.chat(stream=True)
        assert caller.is_whole
        assert caller.usage is not None
        assert caller.took_s < 3.5
    record(Row("complete stream without [DONE] that stays open", False, 1, "whole answer, [DONE] added", "1 + 0"))


async def test_comments_are_no_event_where_nothing_is_held(tmp_path: Path) -> None:
    talks = Answer((SSE, *[step for _ in range(40) for step in (b": ping\n\n", Sleep(0.1))], Close()))
    async with stage(tmp_path, talks, rescue=False, fallback=False) as on:
        caller = await on.chat(stream=True)
        assert (caller.status, caller.code, caller.done) == (200, "upstream_silent", False)
        assert caller.took_s < 3.5

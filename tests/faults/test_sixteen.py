"""The sixteen faults of the public yardstick, on routes with `--rescue` and without.

Each has the caller's view (a whole answer or a clean error, in time) and the upstream's (how many calls, how far apart).
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, Close, Never, Reset, Sleep, chat_answer, chat_stream, error_answer, head
from tests.counts import count
from tests.faults.stage import TEXT, WORDS, Stage, stage, well
from tests.faults.table import Row, record
from tests.scripted import Request

RUNS = count("runs of each of the sixteen faults", small=1, full=10)


def streamed(request: Request) -> bool:
    return bool(request.json.get("stream"))


def first(fault: Answer, then: Any = well) -> Any:
    """The fault once, then well."""
    return lambda request: fault if request.number == 0 else then(request)


def always(fault: Answer) -> Any:
    return lambda request: fault


def cut_at(words: int, end: Any) -> Answer:
    """A stream of sixty words of which so many arrive: its head is one step, each event another."""
    whole = chat_stream(WORDS)
    return Answer((*whole.steps[: words + 2], end))


def well_primary(request: Request) -> Answer:
    return chat_stream(WORDS, model="primary-1") if streamed(request) else chat_answer(TEXT, model="primary-1", output_tokens=60)


def too_many(retry_after_s: int) -> Answer:
    return error_answer(429, "rate_limit_exceeded", headers={"retry-after": str(retry_after_s)})


def malformed(request: Request) -> Answer:
    whole = well_primary(request)
    bad = b"data: {not json\n\n"
    return Answer((*whole.steps[:10], b"%x\r\n%s\r\n" % (len(bad), bad), *whole.steps[10:]))


@dataclass(frozen=True)
class Fault:
    name: str
    script: Any
    stream: bool
    most_primary: int
    """Calls that the primary may see, with rescue."""
    answered_by: str = "fallback-1"
    whole_without_rescue: bool = True
    code_without_rescue: str | None = None
    least_gap_s: float = 0.0
    """Between the first two calls of the primary, where there are two."""
    paid_tokens: int = 60
    """Output that the book has at least with rescue: what was delivered of every attempt."""


FAULTS = [
    Fault(
        "429 with Retry-After: 2 once",
        first(error_answer(429, "rate_limit_exceeded", headers={"retry-after": "2"}), well_primary),
        False,
        2,
        "primary-1",
        least_gap_s=2.0,
    ),
    Fault("429 for ever", always(error_answer(429, "rate_limit_exceeded", headers={"retry-after": "1"})), False, 3),
    Fault("500 once", first(error_answer(500, None), well_primary), False, 2, "primary-1"),
    Fault("503 for ever", always(error_answer(503, None)), False, 3),
    Fault("reset before headers once", first(Answer((Reset(),)), well_primary), False, 2, "primary-1", False, "upstream_lost"),
    Fault("accepts and never answers", always(Answer((Never(),))), True, 1, "fallback-1", False, "upstream_silent"),
    Fault(
        "headers at once, first token too late",
        always(Answer((head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}), Sleep(20)))),
        True,
        1,
        "fallback-1",
        False,
        "upstream_silent",
    ),
    Fault(
        "stream cut after 40 of 60 tokens",
        always(cut_at(40, Close())),
        True,
        2,
        "fallback-1",
        False,
        "upstream_lost",
        paid_tokens=140,
    ),
    Fault("stall after 20 tokens", always(cut_at(20, Never())), True, 1, "fallback-1", False, "upstream_silent", paid_tokens=80),
    Fault("invalid JSON in the tenth event", malformed, True, 1, "primary-1"),
    Fault(
        "complete stream without [DONE]", lambda request: chat_stream(WORDS, model="primary-1", done=False), True, 1, "primary-1"
    ),
    Fault(
        "context_length_exceeded",
        always(error_answer(400, "context_length_exceeded", "maximum context length is 8192 tokens")),
        False,
        1,
    ),
    Fault("503 for ever, as the caller accounts for it", always(error_answer(503, None)), True, 3),
]


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_fault(tmp_path: Path, fault: Fault, rescue: bool) -> None:
    for run in range(RUNS):
        async with stage(tmp_path / str(run), fault.script, rescue=rescue) as on:
            caller = await on.chat(stream=fault.stream)
            calls = on.primary.calls + on.fallback.calls
            (row,) = await on.house.rows(1)
            assert row.attempts == calls, "the book has every attempt"
            expected_whole = rescue or fault.whole_without_rescue
            if expected_whole:
                assert caller.is_whole, (caller.status, caller.error, caller.text[-80:], caller.done)
                assert fault.answered_by in caller.models
                assert caller.usage is not None
                assert (caller.usage["completion_tokens"], caller.usage["total_tokens"]) == (60, 70), "that of who answered"
                if not fault.stream:
                    assert caller.headers["x-doorward-attempts"] == str(calls)
                if rescue:
                    assert row.output_tokens >= fault.paid_tokens, "every attempt is paid for"
                assert on.primary.calls <= fault.most_primary
            else:
                assert caller.code == fault.code_without_rescue, caller.raw[-300:]
                assert not caller.done
                if caller.status != 200:
                    assert caller.headers["x-should-retry"] == "false"
                assert (on.primary.calls, on.fallback.calls) == (1, 0), "an ambiguous loss is never sent again"
            assert caller.took_s < 12
            _spaced(on)
            times = [request.at_s for request in on.primary.requests]
            assert len(times) < 2 or times[1] - times[0] >= fault.least_gap_s - 0.002, "never earlier than told"
        record(
            Row(
                fault.name,
                rescue,
                RUNS,
                "whole answer" if expected_whole else f"error {caller.code}",
                f"{on.primary.calls} + {on.fallback.calls}",
            )
        )


def _spaced(on: Stage) -> None:
    """Never more than two attempts at the primary within 1.5 s."""
    times = [request.at_s for request in on.primary.requests]
    assert all(later - earlier > 1.4 for earlier, later in zip(times, times[2:], strict=False))


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
async def test_content_policy_is_never_routed_around(tmp_path: Path, rescue: bool) -> None:
    script = error_answer(400, "content_policy_violation", "Your request was rejected by our safety system.")
    async with stage(tmp_path, script, rescue=rescue) as on:
        caller = await on.chat(stream=False)
        assert (caller.status, caller.code) == (400, "content_policy_violation")
        assert "safety system" in caller.error["message"]  # type: ignore[index]
        assert (on.primary.calls, on.fallback.calls) == (1, 0)
    record(Row("content_policy_violation", rescue, 1, "error content_policy_violation", "1 + 0"))


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
async def test_cut_stream_whose_fallback_refuses_prefill(tmp_path: Path, rescue: bool) -> None:
    """The fallback is marked as one that continues; it refuses with a 400 that the caller never sees."""

    def refuses_prefill(request: Request) -> Answer:
        if request.json["messages"][-1]["role"] == "assistant":
            return error_answer(400, "invalid_request_error", "assistant prefill is not supported")
        return well(request)

    async with stage(tmp_path, cut_at(40, Close()), rescue=rescue, fallback_script=refuses_prefill) as on:
        mark_prefill(on, "fallback-1")
        caller = await on.chat(stream=True)
        assert "prefill" not in caller.raw
        if rescue:
            assert caller.is_whole, (caller.error, caller.text[-60:])
            assert [request.json["messages"][-1]["role"] for request in on.fallback.requests] == ["assistant", "user"]
        else:
            assert caller.code == "upstream_lost"
            assert (on.primary.calls, on.fallback.calls) == (1, 0)
    record(
        Row("cut stream whose fallback refuses prefill", rescue, 1, "whole answer" if rescue else "error upstream_lost", "1 + 2")
    )


async def test_a_model_that_continues_is_asked_to_continue(tmp_path: Path) -> None:
    def continues(request: Request) -> Answer:
        told = request.json["messages"][-1]
        assert told["role"] == "assistant"
        have = len(told["content"].split())
        return chat_stream([" " + WORDS[have], *WORDS[have + 1 :]] if not told["content"].endswith(" ") else WORDS[have:])

    async with stage(tmp_path, cut_at(40, Close()), rescue=True, fallback_script=continues) as on:
        mark_prefill(on, "fallback-1")
        caller = await on.chat(stream=True)
        assert caller.error is None
        assert caller.done
        assert caller.text.split() == TEXT.split()
        assert caller.raw.count('"role"') == 1, "one message was opened"


async def test_a_different_answer_is_not_spliced_on(tmp_path: Path) -> None:
    async with stage(
        tmp_path, cut_at(40, Close()), rescue=True, fallback_script=lambda r: chat_stream(["something ", "else"])
    ) as on:
        caller = await on.chat(stream=True)
        assert caller.code == "upstream_lost"
        assert not caller.done
        assert caller.text == "".join(WORDS[:40])


async def test_half_a_tool_call_is_not_continued(tmp_path: Path) -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"a'}}
    event = json.dumps({"id": "x", "model": "primary-1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).encode()
    raw = b"data: " + event + b"\n\n"
    framing = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    script = Answer((framing, b"%x\r\n%s\r\n" % (len(raw), raw), Close()))
    async with stage(tmp_path, script, rescue=True) as on:
        caller = await on.chat(stream=True)
        assert caller.code == "upstream_lost"
        assert on.fallback.calls == 0


@pytest.mark.parametrize("rescue", [True, False], ids=["rescue", "plain"])
async def test_away_for_a_while_then_well(tmp_path: Path, rescue: bool) -> None:
    """503 for 60 s (here: 3), then well, a request every so often: served from the fallback, back within 30 s (here: 4)."""
    began = time.monotonic()

    def script(request: Request) -> Answer:
        return error_answer(503, None) if time.monotonic() - began < 3 else well_primary(request)

    async with stage(tmp_path, script, rescue=rescue, breaker_open_s=1.0) as on:
        back: float | None = None
        while back is None and time.monotonic() - began < 18:
            caller = await on.chat(stream=False)
            assert caller.is_whole, (caller.status, caller.error)
            if "primary-1" in caller.models:
                back = time.monotonic() - began
            await asyncio.sleep(0.2)
        assert back is not None
        assert back < 3 + 4, "limits of seconds: open for one or two, then a probe"
        assert on.fallback.calls > 0
        asked = [request.at_s for request in on.primary.requests if request.at_s - began < 3]
        assert len(asked) <= 10, "the breaker spares who is ill"
    record(Row("503 for a while, then well", rescue, 1, "whole answers throughout", "back on the primary"))


def mark_prefill(on: Stage, model: str) -> None:
    """As the catalogue's table would mark a model that continues a trailing assistant message."""
    from dataclasses import replace

    from doorward.providers.model_facts import Facts

    failover = on.house.app.traffic.pipeline.failover
    facts = replace(failover._facts, models={**failover._facts.models, model: Facts(prefill=True)})
    failover._facts = failover._rescue._facts = facts

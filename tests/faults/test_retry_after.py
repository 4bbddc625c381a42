"""`Retry-After` in all its forms: never earlier than told, bounded, and beyond what is left it goes back as it came."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections import defaultdict
from pathlib import Path

import httpx2
from tests.answers import Answer, chat_answer, error_answer
from tests.counts import count
from tests.faults.stage import stage
from tests.faults.table import Row, record
from tests.house import house
from tests.scripted import Request, ScriptedUpstream

TRIES = count("runs of each form of Retry-After", small=1, full=20)


def in_s(seconds: float) -> str:
    """A date has whole seconds: told at x.9, `now + 2` is 1.1 s away."""
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


FORMS = {
    "seconds": lambda: {"retry-after": "1"},
    "fraction": lambda: {"retry-after": "0.7"},
    "milliseconds": lambda: {"retry-after-ms": "600"},
    "milliseconds win": lambda: {"retry-after-ms": "600", "retry-after": "9999"},
    "date": lambda: {"retry-after": in_s(2)},
    "past": lambda: {"retry-after": in_s(-3600)},
    "zero": lambda: {"retry-after": "0"},
    "negative": lambda: {"retry-after": "-5"},
}
LEAST_S = {"seconds": 1.0, "fraction": 0.7, "milliseconds": 0.6, "milliseconds win": 0.6, "date": 0.95}
TOO_LONG = {"huge": {"retry-after": "999999999"}, "a year": {"retry-after": in_s(365 * 86400)}, "infinite": {"retry-after": "inf"}}


async def test_every_form_that_fits_is_waited_for(tmp_path: Path) -> None:
    """On a lone account, side by side: the models rest apart."""
    times: dict[str, list[float]] = defaultdict(list)

    def script(request: Request) -> Answer:
        name = request.json["model"].removeprefix("m-")
        times[name].append(time.monotonic())
        form = FORMS[name.rpartition("-")[0].replace("_", " ")]
        return chat_answer() if len(times[name]) > 1 else error_answer(429, "rate_limit_exceeded", headers=form())

    for run in range(TRIES):
        async with ScriptedUpstream(script) as up, house(tmp_path / str(run), retry_wait_s=8) as home:
            await home.provider("scripted", up.base_url, "m-*", prices="free")
            await home.account("scripted")
            headers = {"authorization": f"Bearer {await home.key()}"}
            async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=30) as client:
                names = [f"{form.replace(' ', '_')}-{run}" for form in FORMS]
                bodies = [{"model": f"m-{name}", "messages": []} for name in names]
                replies = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for body in bodies))
        assert [reply.status_code for reply in replies] == [200] * len(names)
        assert {reply.headers["x-doorward-attempts"] for reply in replies} == {"2"}
        for form, name in zip(FORMS, names, strict=True):
            first, second = times[name]
            assert second - first >= LEAST_S.get(form, 0.0) - 0.002, form
            assert second - first < 6, form
    record(Row("429 with Retry-After in seconds, date, ms, past, 0, negative", False, TRIES * len(FORMS), "whole answer", "2 + 0"))


async def test_a_503_that_says_when_is_not_asked_earlier(tmp_path: Path) -> None:
    """It rests nobody, as a 429 does; the call itself keeps the wait."""
    times: list[float] = []

    def script(request: Request) -> Answer:
        times.append(time.monotonic())
        return chat_answer() if len(times) > 1 else error_answer(503, "overloaded", headers={"retry-after": "1"})

    async with stage(tmp_path, script, rescue=False, fallback=False) as on:
        caller = await on.chat(stream=False)
        assert caller.status == 200, caller.raw
        assert times[1] - times[0] >= 0.998
    record(Row("503 with Retry-After: 1 once", False, 1, "whole answer", "2 + 0"))


async def test_a_wait_beyond_what_is_left_goes_back_as_it_came(tmp_path: Path) -> None:
    for name, form in TOO_LONG.items():
        async with stage(
            tmp_path / name, error_answer(429, "rate_limit_exceeded", headers=form), rescue=False, fallback=False
        ) as on:
            caller = await on.chat(stream=False)
            assert (caller.status, caller.code) == (429, "rate_limit_exceeded")
            assert caller.headers["retry-after"] == form["retry-after"]
            assert on.primary.calls == 1
            assert caller.took_s < 3
    record(Row("429 with a huge Retry-After", False, len(TOO_LONG), "429 as it came", "1 + 0"))


async def test_junk_is_no_wait_and_the_account_rests_a_little(tmp_path: Path) -> None:
    script = [error_answer(429, "rate_limit_exceeded", headers={"retry-after": "soon"}), chat_answer()]
    async with stage(tmp_path, script, rescue=False, fallback=False, retry_wait_s=8) as on:
        caller = await on.chat(stream=False)
        assert caller.status == 200
        assert on.primary.requests[1].at_s - on.primary.requests[0].at_s >= 4.99
    record(Row("429 with junk for Retry-After", False, 1, "whole answer", "2 + 0"))


async def test_429_for_ever_on_a_lone_account_is_bounded(tmp_path: Path) -> None:
    always = error_answer(429, "rate_limit_exceeded", headers={"retry-after-ms": "50"})
    async with stage(tmp_path, always, rescue=False, fallback=False, retry_wait_s=15) as on:
        caller = await on.chat(stream=False)
        assert (caller.status, caller.headers["x-should-retry"]) == (429, "false")
        times = [request.at_s for request in on.primary.requests]
        assert 2 <= len(times) <= 6
        assert all(later - earlier >= 1.45 for earlier, later in zip(times, times[2:], strict=False))
    record(Row("429 for ever on a lone account", False, 1, "429 as it came", f"{len(times)} + 0"))


async def test_a_storm_of_429_is_not_amplified(tmp_path: Path) -> None:
    """At most 1.1 upstream calls for each client call (and the ten retries that are always allowed)."""
    calls = 100
    always = error_answer(429, "rate_limit_exceeded", headers={"retry-after-ms": "1"})
    async with stage(tmp_path, always, rescue=False, fallback=False, retry_wait_s=1) as on:
        await asyncio.gather(*(on.chat(stream=False) for _ in range(calls)))
        asked = on.primary.calls
    assert asked <= calls * 1.1 + 10, asked
    record(Row("a storm of 429", False, calls, "429, or 503 with a true Retry-After", f"{asked / calls:.2f} a call"))

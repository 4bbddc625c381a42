"""I4: on routes without `--rescue` at most one attempt of a client call may have been billed; with it, one more for each
ambiguous loss, each with its own hold. The upstream, which knows what it charged for, is asked."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from tests.answers import Answer, Close, Never, Reset, Sleep, Step, chat_answer, chat_stream, error_answer, head
from tests.counts import count
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream

from doorward.core.caller import KeyLimits
from doorward.store.routes import RouteRule, Routes

CALLS = count("calls under random faults", small=60, full=5000)
AT_ONCE = 20
WORDS = [f"word{i} " for i in range(12)]


class Faulty:
    """Answers at random, the same way again for the same seed, and writes down what it would have charged for."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self.charged: Counter[str] = Counter()
        """By the client call's id: attempts that were or may have been worked on."""
        self.lost: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer:
        name = request.header("x-request-id") or ""
        self.asked[name] += 1
        stream = bool(request.json.get("stream"))
        whole = chat_stream(WORDS) if stream else chat_answer("".join(WORDS), output_tokens=len(WORDS))
        kind = self._rng.choices(["whole", "refused", "lost"], [4, 3, 4])[0]
        if kind == "refused":
            status = self._rng.choice([408, 429, 500, 502, 503])
            return error_answer(status, None, headers={"retry-after": "0"})
        self.charged[name] += 1
        if kind == "whole":
            return whole
        self.lost[name] += 1
        end: Step = self._rng.choice([Reset(), Close(), Never()])
        return whole.cut(self._rng.randrange(0, len(whole.wire) - 40), end)


async def prepare(home: House, up: ScriptedUpstream, *, rescue: bool) -> None:
    await home.provider("scripted", up.base_url, "m-*", prices="free")
    for label in ("one", "two"):
        await home.account("scripted", label=label)
    await Routes(home.app.ground.store).set(RouteRule("m-first", ("m-second",), rescue=rescue))
    await home.app.ground.catalogue.refresh()


async def losses_of(home: House) -> tuple[Counter[str], Counter[str]]:
    """By the client call's id: ambiguous attempts in the book, and how many of them a time limit ended."""
    query = "SELECT calls.id, attempts.reason FROM attempts JOIN calls USING (opening) WHERE attempts.state = 'ambiguous'"
    async with home.app.ground.store.reading() as connection:
        found = (await connection.execute(text(query))).all()
    return Counter(row.id for row in found), Counter(row.id for row in found if "nothing came for" in row.reason)


LIMITS = {"first_event_streamed_s": 0.4, "first_event_whole_s": 0.4, "idle_s": 0.4, "retry_wait_s": 0.5, "breaker_open_s": 0.1}


@pytest.mark.parametrize("rescue", [False, True], ids=["plain", "rescue"])
async def test_what_one_call_may_be_billed(tmp_path: Path, rescue: bool) -> None:
    faulty = Faulty(f"i4 {rescue}")
    rng = random.Random(4)
    async with ScriptedUpstream(faulty) as up, house(tmp_path, **LIMITS) as home:
        await prepare(home, up, rescue=rescue)
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as client:

            async def call(number: int) -> str:
                body = {"model": "m-first", "messages": [{"role": "user", "content": "x"}], "stream": rng.random() < 0.6}
                reply = await client.post("/v1/chat/completions", json=body, headers={"x-request-id": f"call-{number:06}"})
                return reply.text

            for start in range(0, CALLS, AT_ONCE):
                await asyncio.gather(*(call(number) for number in range(start, min(start + AT_ONCE, CALLS))))
        rows = await home.rows(CALLS, within_s=60)
        losses, late = await losses_of(home)
    assert len(rows) == CALLS
    assert {row.id: row.attempts for row in rows} == {row.id: faulty.asked[row.id] for row in rows}
    names = [f"call-{number:06}" for number in range(CALLS)]
    assert sum(faulty.lost.values()) > CALLS / 10, "hardly a loss: nothing was shown"
    if not rescue:
        assert max(faulty.charged[name] for name in names) <= 1
    else:
        assert all(faulty.charged[name] <= 1 + losses[name] for name in names)
        # what the upstream thinks whole, and a crowded machine brought after the limit, is a loss like any other
        assert all(losses[name] <= faulty.lost[name] + late[name] for name in names)
        assert any(faulty.charged[name] > 1 for name in names), "a route with rescue does resend"
    assert max(faulty.asked.values()) <= 6


async def test_each_further_attempt_has_its_own_hold(tmp_path: Path) -> None:
    """A budget with room for one worst case lets one attempt pass; with room for three, the rescue."""
    cut = chat_stream(WORDS)
    cut = Answer((*cut.steps[:6], Close()))
    async with ScriptedUpstream(lambda r: cut if r.json["model"] == "m-first" else chat_stream(WORDS)) as up:
        async with house(tmp_path, assume_price_usd="1000", max_output_tokens=1000, **LIMITS) as home:
            await home.provider("scripted", up.base_url, "m-*")
            await home.account("scripted")
            await Routes(home.app.ground.store).set(RouteRule("m-first", ("m-second",), rescue=True))
            await home.app.ground.catalogue.refresh()
            body = {"model": "m-first", "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 100}
            first = {"authorization": f"Bearer {await home.key()}"}
            async with httpx2.AsyncClient(base_url=home.url, headers=first, timeout=60) as client:
                hold_usd = (await client.post("/api/v1/estimate", json=body)).json()["hold_usd"]
            outcomes = {}
            for room in (1.5, 2.5, 3.5):
                limits = KeyLimits(budget_nanos=int(float(hold_usd) * 1e9 * room), budget_period="ever")
                headers = {"authorization": f"Bearer {await home.key(label=str(room), limits=limits)}"}
                await home.app.traffic.budgets.refresh()
                calls = up.calls
                async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as client:
                    reply = await client.post("/v1/chat/completions", json=body)
                outcomes[room] = (up.calls - calls, "[DONE]" in reply.text, "upstream_lost" in reply.text)
    # the primary is asked twice before the fallback is: three worst cases are what this rescue needs
    assert outcomes == {1.5: (1, False, True), 2.5: (2, False, True), 3.5: (3, True, False)}


async def test_a_prefill_that_is_lost_is_not_replayed_on_the_same_hold(tmp_path: Path) -> None:
    """A refusal of our own doing costs nothing and is replayed at once; a loss is an attempt like any other."""
    from dataclasses import replace

    from doorward.providers.model_facts import Facts

    cut = chat_stream(WORDS)
    cut = Answer((*cut.steps[:6], Close()))
    silent = Answer((head(200, {"content-type": "text/event-stream"}), Sleep(0.05), Reset()))

    def script(request: Request) -> Answer:
        if request.json["model"] == "m-first":
            return cut
        return silent if request.json["messages"][-1]["role"] == "assistant" else chat_stream(WORDS)

    async with ScriptedUpstream(script) as up, house(tmp_path, **LIMITS) as home:
        await prepare(home, up, rescue=True)
        failover = home.app.traffic.pipeline.failover
        facts = replace(failover._facts, models={**failover._facts.models, "m-second": Facts(prefill=True)})
        failover._facts = failover._rescue._facts = facts
        headers = {"authorization": f"Bearer {await home.key()}"}
        asked: list[int] = []
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as client:
            covered = failover._attempts._is_covered

            async def counted(entry):  # type: ignore[no-untyped-def]
                asked.append(sum(attempt.may_be_billed for attempt in entry.attempts))
                return await covered(entry)

            failover._attempts._is_covered = counted  # type: ignore[method-assign]
            body = {"model": "m-first", "messages": [{"role": "user", "content": "x"}], "stream": True}
            await client.post("/v1/chat/completions", json=body)
    assert len(asked) == len(up.requests), "budgets were asked before every attempt"

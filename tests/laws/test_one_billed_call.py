"""I4: on routes without `--rescue` at most one attempt of a client call may have been billed; with it, one more for each
ambiguous loss, each with its own hold. The upstream, which knows what it charged for, is asked."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.answers import Answer, Close, Never, Reset, Sleep, Step, chat_answer, chat_stream, error_answer, head
from tests.counts import count
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream

from doorward.core.caller import KeyLimits
from doorward.store.call_rows import AttemptRow
from doorward.store.routes import RouteRule, Routes

CALLS = count("calls under random faults", small=60, full=5000)
AT_ONCE = 40
WORDS = [f"word{i} " for i in range(12)]
SILENT_S = 1.5
"""Long enough for a whole answer beside others' work, so that nearly every loss is one that the upstream has made."""


@dataclass
class Asked:
    """One attempt, as the upstream knows it."""

    request: Request
    kind: str
    """whole · refused (complete, without usage: not charged) · lost (cut, or silent)."""

    @property
    def is_charged(self) -> bool:
        return self.kind != "refused"

    def is_lost(self, attempt: AttemptRow, limit_s: float) -> bool:
        """By the upstream's own doing; or Doorward hung up on it, and not before its limit, and asked nothing more there."""
        if self.kind == "lost":
            return True
        connection = self.request.connection
        hung_up = connection.left_s is not None and connection.requests[-1] is self.request
        lasted_s = ((attempt.ended_ms or 0) - attempt.started_ms) / 1000
        return self.kind == "whole" and hung_up and lasted_s > limit_s - 0.01


class Faulty:
    """Answers at random, the same way again for the same seed, and writes down what it would have charged for."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self.asked: defaultdict[str, list[Asked]] = defaultdict(list)
        """By the client call's id, in order."""

    def __call__(self, request: Request) -> Answer:
        stream = bool(request.json.get("stream"))
        whole = chat_stream(WORDS) if stream else chat_answer("".join(WORDS), output_tokens=len(WORDS))
        kind = self._rng.choices(["whole", "refused", "lost"], [4, 3, 4])[0]
        self.asked[request.header("x-request-id") or ""].append(Asked(request, kind))
        if kind == "refused":
            status = self._rng.choice([408, 429, 500, 502, 503])
            return error_answer(status, None, headers={"retry-after": "0"})
        if kind == "whole":
            return whole
        end: Step = self._rng.choice([Reset(), Close(), Never()])
        return whole.cut(self._rng.randrange(0, len(whole.wire) - 40), end)


async def prepare(home: House, up: ScriptedUpstream, *, rescue: bool, prices: str | None = "free") -> None:
    await home.provider("scripted", up.base_url, "m-*", prices=prices)
    for label in ("one", "two"):
        await home.account("scripted", label=label)
    await Routes(home.app.ground.store).set(RouteRule("m-first", ("m-second",), rescue=rescue))
    await home.app.ground.catalogue.refresh()


async def attempts_in(home: House) -> dict[str, list[AttemptRow]]:
    """The book's attempts by the client call's id, in order."""
    query = "SELECT calls.id, attempts.* FROM attempts JOIN calls USING (opening) ORDER BY attempts.opening, attempts.number"
    found: defaultdict[str, list[AttemptRow]] = defaultdict(list)
    async with home.app.ground.store.reading() as connection:
        for name, *fields in (await connection.execute(text(query))).all():
            found[name].append(AttemptRow(*fields))
    return found


async def rows_of(home: House, calls: int) -> list[Any]:
    """Rows of calls that were sent. One refused while every breaker is open is counted, and has a row only as a sample."""
    until_s = asyncio.get_running_loop().time() + 5
    while len(rows := [row for row in await home.rows(0) if row.attempts]) < calls:
        assert asyncio.get_running_loop().time() < until_s, f"{len(rows)} rows for {calls} calls that were sent"
        await asyncio.sleep(0.1)
    return rows


def limits_of(silent_s: float) -> dict[str, Any]:
    limits: dict[str, Any] = dict.fromkeys(("first_event_streamed_s", "first_event_whole_s", "idle_s"), silent_s)
    return limits | {"retry_wait_s": 0.5, "breaker_open_s": 0.1}


LIMITS = limits_of(0.4)


@pytest.mark.timeout(max(60, CALLS // 10))
@pytest.mark.parametrize("rescue", [False, True], ids=["plain", "rescue"])
async def test_what_one_call_may_be_billed(tmp_path: Path, rescue: bool) -> None:
    faulty = Faulty(f"i4 {rescue}")
    rng = random.Random(4)
    names = [f"call-{number:06}" for number in range(CALLS)]
    refused: set[str] = set()
    priced: dict[str, Any] = {"assume_price_usd": "1", "max_output_tokens": 1000}
    async with ScriptedUpstream(faulty) as up, house(tmp_path, **priced, **limits_of(SILENT_S)) as home:
        await prepare(home, up, rescue=rescue, prices=None)
        budget = KeyLimits(budget_nanos=10**15, budget_period="ever")
        headers = {"authorization": f"Bearer {await home.key(limits=budget)}"}
        await home.app.traffic.budgets.refresh()
        left = iter(names)

        async def client() -> None:
            """One call after another, until none is left."""
            async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as door:
                for name in left:
                    message = {"role": "user", "content": "x"}
                    body = {"model": "m-first", "messages": [message], "stream": rng.random() < 0.6, "max_tokens": 100}
                    reply = await door.post("/v1/chat/completions", json=body, headers={"x-request-id": name})
                    if reply.status_code == 503 and reply.json()["error"]["code"] == "all_accounts_resting":
                        refused.add(name)

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        sent = sorted(faulty.asked)
        rows = await rows_of(home, len(sent))
        book = await attempts_in(home)
    assert sorted(row.id for row in rows) == sent
    assert {row.id: row.attempts for row in rows} == {name: len(faulty.asked[name]) for name in sent}
    assert set(names) - set(sent) == refused
    assert len(sent) > CALLS / 2, "hardly a call was sent: nothing was shown"
    for name in sent:
        asked, attempts = faulty.asked[name], book[name]
        pairs = list(zip(attempts, asked, strict=True))
        told = [(known.kind, attempt.state, attempt.reason, attempt.held_nanos) for attempt, known in pairs]
        losses = [pair for pair in pairs if pair[0].state == "ambiguous"]
        charged = [attempt for attempt, known in pairs if known.is_charged]
        assert all(known.is_lost(attempt, SILENT_S) for attempt, known in losses), told
        assert all((attempt.state == "failed") == (not known.is_charged) for attempt, known in pairs), told
        assert len(charged) <= (1 + len(losses) if rescue else 1), told
        assert len(asked) <= 6, told
        # each has a worst case of its own, as large as the first one's
        assert len({attempt.held_nanos for attempt in charged}) <= 1, told
        assert all(attempt.held_nanos for attempt in charged), told
    kinds = Counter(known.kind for asked in faulty.asked.values() for known in asked)
    assert kinds["lost"] > CALLS / 10, "hardly a loss: nothing was shown"
    most = max(sum(known.is_charged for known in asked) for asked in faulty.asked.values())
    assert (most > 1) == rescue, "a route with rescue does resend"


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

"""I7: a stream that its client leaves after any event costs at least what was delivered, at most what was held, never 0."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from tests.answers import chat_stream
from tests.counts import count
from tests.house import house
from tests.money.gateways import ASK, IN, OUT, PATH
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits
from doorward.store.call_rows import CallRow
from doorward.store.calls import Calls

EVENTS = 10
ROUNDS = count("streams aborted at each event", small=1, full=50)
PROMPT_TOKENS = 10
"""At least so many tokens are in `ASK`; what is counted is a little more."""


async def left_after(client: httpx2.AsyncClient, events: int, call_id: str) -> int:
    """Read so many events of text, then reset -> the words that were read."""
    seen = 0
    async with client.stream("POST", PATH, json={**ASK, "stream": True}, headers={"x-request-id": call_id}) as answer:
        async for line in answer.aiter_lines():
            seen += line.startswith("data: ") and '"content":"w' in line.replace(" ", "")
            if seen >= events:
                break
    return seen


async def row_of(calls: Calls, call_id: str) -> CallRow:
    for _ in range(300):
        if (found := await calls.one(call_id, None)) is not None:
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError(f"{call_id} has no row")


@pytest.mark.timeout(0)
async def test_a_stream_left_at_any_event_is_paid_for(tmp_path: Path) -> None:
    # a word and its number are at least one token each
    stream = chat_stream([f"w{n} " for n in range(EVENTS)], input_tokens=PROMPT_TOKENS, pause_s=0.03)
    async with ScriptedUpstream(stream) as up, house(tmp_path, log_level="error") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        key = await home.key(limits=KeyLimits(budget_nanos=10**12, budget_period="ever"))
        calls = Calls(home.app.ground.store)
        headers = {"authorization": f"Bearer {key}"}

        async def one(events: int, turn: int) -> tuple[int, CallRow]:
            async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20) as client:
                call_id = f"left-{turn:03d}-{events:02d}"
                return await left_after(client, events, call_id), await row_of(calls, call_id)

        for turn in range(ROUNDS):
            for read, row in await asyncio.gather(*(one(events, turn) for events in range(1, EVENTS))):
                assert row.outcome == "gone"
                assert row.source in ("counted", "estimated")
                assert row.reason
                assert row.cost_nanos is not None
                assert row.held_nanos is not None
                assert PROMPT_TOKENS * IN + read * OUT <= row.cost_nanos <= row.held_nanos

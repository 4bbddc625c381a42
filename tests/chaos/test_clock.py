"""The machine's wall clock jumps an hour, both ways, while calls are open.

Rule: every limit and timer goes by the monotonic clock, budgets by the database's. No window is reset twice, none stays
shut, no stream is cut, no duration is negative. The jump is made in the `Clock` that the house is given: its wall moves,
its monotonic does not, as in the kernel (setting the machine's own clock would hit everybody on it).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, chat_answer, chat_stream
from tests.chaos.load import ask, client_of
from tests.counts import count
from tests.house import house
from tests.scripted import Request, ScriptedUpstream

from doorward.core.caller import KeyLimits
from doorward.core.clock import SystemClock

HOUR_S, DAY_S = 3600.0, 86_400.0
TURNS = count("jumps of the clock and back", small=1, full=20)


class Jumping(SystemClock):
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def wall(self) -> float:  # type: ignore[override]  # a method where the system's is static
        return time.time() + self.ahead_s


def script(request: Request) -> Answer:
    if request.json.get("stream"):
        return chat_stream([f"w{n} " for n in range(10)], input_tokens=10, pause_s=0.1)
    return chat_answer("Hello", input_tokens=10, output_tokens=3)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, DAY_S + HOUR_S, -DAY_S - HOUR_S])
async def test_no_window_resets_and_no_stream_breaks(tmp_path: Path, jump_s: float) -> None:
    """Limits: as before the jump. Budgets of a day: still used up. Open streams: whole. Rows: sane spans."""
    clock = Jumping()
    async with ScriptedUpstream(script) as up, house(tmp_path, clock=clock, log_level="error") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")

        async def key(**limits: Any) -> str:
            return await home.key(limits=KeyLimits(**limits))

        # the hold of one call is above what is left after one: the second is refused
        spent, limited, free = await key(budget_nanos=25_000, budget_period="day"), await key(rpd=3), await home.key()
        async with client_of(home.url, spent) as poor, client_of(home.url, limited) as few, client_of(home.url, free) as client:
            for turn in range(TURNS):
                clock.ahead_s = 0.0
                if turn == 0:
                    assert [(await ask(few, f"few-{n}")).code for n in range(4)] == ["ok"] * 3 + ["rate_limit_exceeded"]
                    while (said := await ask(poor, f"poor-{up.calls}")).code == "ok":
                        assert up.calls < 50
                    assert said.code == "budget_exceeded"
                streams = [asyncio.create_task(ask(client, f"jump-{turn}-{n}", streamed=True)) for n in range(5)]
                await up.wait_for_open(up.open, 5)
                await asyncio.sleep(0.3)
                clock.ahead_s = jump_s
                await asyncio.sleep(0.3)
                refused = await ask(few, f"few-after-{turn}")
                assert refused.code == "rate_limit_exceeded", "the window was reset by the jump"
                assert (await ask(poor, f"poor-after-{turn}")).code == "budget_exceeded", "the day was reset by the jump"
                assert (await ask(client, f"free-after-{turn}")).code == "ok"
                assert {(await stream).code for stream in streams} == {"ok"}
                clock.ahead_s = 0.0
                assert (await ask(poor, f"poor-back-{turn}")).code == "budget_exceeded", "the day was reset by the jump back"
                assert (await ask(client, f"free-back-{turn}")).code == "ok"
            booked = [row for row in await home.rows(TURNS * 7) if row.outcome == "done"]
        assert all(0 <= row.duration_ms < 60_000 for row in booked), "a span was measured by the wall"
        budgets = home.app.traffic.budgets
        assert budgets.hold_exceeded_total == 0

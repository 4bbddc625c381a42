"""What `usage` and `tail` draw: marks that fit their values, a line a call, each call once."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import pytest
from tests.ledger.test_book import row

from doorward.cli import tail, usage
from doorward.store.calls import Calls, Filter
from doorward.store.engine import Store


@pytest.fixture
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


@pytest.mark.usefixtures("utf8")
def test_sparks_show_the_tallest_day_and_leave_empty_ones_blank() -> None:
    drawn = usage.spark([0, 1, 4, 8])
    assert len(drawn) == 4
    assert drawn[0] == " "
    assert drawn[3] == usage.TALL[-1]
    assert drawn[1] < drawn[2] < drawn[3]
    assert usage.spark([]) == usage.spark([0, 0]) == ""
    assert len(usage.bar(5, 10)) == 10


def test_a_terminal_without_utf8_gets_plain_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert usage.spark([1, 8]).isascii()


def test_a_line_says_what_became_of_a_call() -> None:
    known = tail.line(row(1, model_asked="fast", model_served="m").call)
    assert "$0.000000" in known
    assert "fast > m" in known
    assert "~$" in tail.line(row(1, source="counted").call)
    assert "unknown" in tail.line(row(1, cost_nanos=None).call)


async def test_following_shows_each_call_once_and_late_ones_too(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/doorward.db")
    try:
        calls = Calls(store)
        await calls.absorb([row(n, settled_at=100.0 + n) for n in range(3)])
        seen: list[str] = []

        async def follow() -> None:
            async for call in tail.following(calls, Filter(), 0.0):
                seen.append(call.id)

        task = asyncio.create_task(follow())
        await asyncio.sleep(0.2)
        # another process's clock and batch: settled a little before the newest that was shown
        await calls.absorb([row(7, settled_at=101.5), row(8, settled_at=110.0)])
        await asyncio.sleep(1.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert seen == ["req_0", "req_1", "req_2", "req_7", "req_8"]
    finally:
        await store.close()

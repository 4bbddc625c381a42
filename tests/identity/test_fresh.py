"""Rows kept for a few seconds: what a database that says nothing does to calls with a known key."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.clock import FakeClock

from doorward.core.errors import Unavailable
from doorward.identity.fresh import AWAY_S, Fresh


class Shelf:
    """Answers with `row` when `speaks` is set, and else never."""

    def __init__(self) -> None:
        self.row: str | None = "good"
        self.asked = 0
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def load(self, key: str) -> str | None:
        self.asked += 1
        await self.speaks.wait()
        return self.row


async def test_a_known_row_does_not_wait_for_a_silent_database() -> None:
    """The first call waits a second, those of the next second not at all; one question for all of them."""
    clock, shelf = FakeClock(), Shelf()
    fresh = Fresh(shelf.load, clock, keep_s=4.0, load_limit_s=30.0)
    assert await fresh.get("k") == "good"
    shelf.speaks.clear()
    clock.at += 5
    began = time.monotonic()
    assert await fresh.get("k") == "good"
    assert time.monotonic() - began < 5
    assert fresh.peek("k") == "good"
    assert shelf.asked == 2
    shelf.row = None
    shelf.speaks.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert fresh.peek("k") is None, "what the database says at last counts at once"
    assert await fresh.get("k") is None


async def test_a_silent_database_does_not_stretch_the_minute() -> None:
    clock, shelf = FakeClock(), Shelf()
    fresh = Fresh(shelf.load, clock, keep_s=4.0, load_limit_s=0.05)
    assert await fresh.get("k") == "good"
    shelf.speaks.clear()
    for _ in range(4):
        clock.at += 14
        assert await fresh.get("k") == "good"
    clock.at += AWAY_S - 4 * 14
    with pytest.raises(Unavailable):
        await fresh.get("k")


async def test_an_unknown_row_waits_and_is_refused() -> None:
    clock, shelf = FakeClock(), Shelf()
    shelf.speaks.clear()
    fresh = Fresh(shelf.load, clock, keep_s=4.0, load_limit_s=0.05)
    with pytest.raises(Unavailable):
        await fresh.get("k")

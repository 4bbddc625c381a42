"""Kept answers: each for its owner, until it has expired, and then no longer in the table."""

from __future__ import annotations

from sqlalchemy import text
from tests.clock import FakeClock

from doorward.store.answers import SWEEP_EVERY_S, Answers
from doorward.store.engine import Store


async def digests(store: Store) -> set[str]:
    async with store.reading() as connection:
        return set((await connection.execute(text("SELECT digest FROM app_answers"))).scalars())


async def test_what_has_expired_is_forgotten_once_a_minute(store: Store) -> None:
    clock = FakeClock()
    answers = Answers(store, clock)
    await answers.put("me", "old", "1", -1.0)
    await answers.put("me", "new", "2", 3600.0)
    await answers.put("me", "new", "3", 3600.0)
    assert (await answers.get("me", "old"), await answers.get("me", "new")) == (None, "3")
    assert await answers.get("you", "new") is None
    assert await digests(store) == {"old", "new"}
    clock.at += SWEEP_EVERY_S
    await answers.put("me", "more", "4", 3600.0)
    assert await digests(store) == {"new", "more"}

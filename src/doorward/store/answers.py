"""Answers of apps that are kept for a while, each for its owner alone: no hit ever crosses owners."""

from __future__ import annotations

from sqlalchemy import delete, select

from doorward.core.clock import Clock, SystemClock
from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.apps import app_answers
from doorward.store.tables.columns import database_now

SWEEP_EVERY_S = 60.0


class Answers:
    def __init__(self, store: Store, clock: Clock = SystemClock()) -> None:
        self._store = store
        self._clock = clock
        self._swept_s: float | None = None

    async def get(self, owner: str, digest: str) -> str | None:
        mine = (app_answers.c.owner == owner) & (app_answers.c.digest == digest)
        statement = select(app_answers.c.answer).where(mine, app_answers.c.expires_at > database_now())
        async with self._store.reading() as connection:
            return (await connection.execute(statement)).scalar()

    async def put(self, owner: str, digest: str, answer: str, keep_s: float) -> None:
        """Also forgets what has expired, once a minute."""
        values = {"owner": owner, "digest": digest, "answer": answer, "expires_at": database_now() + keep_s}
        now = self._clock.monotonic()
        sweeps = self._swept_s is None or now - self._swept_s >= SWEEP_EVERY_S
        async with self._store.writing() as connection:
            if sweeps:
                self._swept_s = now
                await connection.execute(delete(app_answers).where(app_answers.c.expires_at <= database_now()))
            await connection.execute(upsert(self._store.dialect, app_answers, values))

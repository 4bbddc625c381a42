"""Answers of apps that are kept for a while, each for its owner alone: no hit ever crosses owners."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select

from doorward.core.clock import Clock, SystemClock
from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.apps import app_answers
from doorward.store.tables.columns import database_now

SWEEP_EVERY_S = 60.0
_KEPT = select(app_answers.c.answer).where(
    app_answers.c.owner == bindparam("owner_"),
    app_answers.c.digest == bindparam("digest_"),
    app_answers.c.expires_at > database_now(),
)


class Answers:
    def __init__(self, store: Store, clock: Clock = SystemClock()) -> None:
        self._store = store
        self._clock = clock
        self._swept_s: float | None = None
        self._sweep = store.prepared(delete(app_answers).where(app_answers.c.expires_at <= database_now()))
        given = insert(store.dialect, app_answers).values(
            owner=bindparam("owner"),
            digest=bindparam("digest"),
            answer=bindparam("answer"),
            expires_at=database_now() + bindparam("keep_s"),
        )
        replaced = {"answer": given.excluded.answer, "expires_at": given.excluded.expires_at}
        self._keep = store.prepared(given.on_conflict_do_update(index_elements=["owner", "digest"], set_=replaced))

    async def get(self, owner: str, digest: str) -> str | None:
        async with self._store.reading() as connection:
            return (await connection.execute(_KEPT, {"owner_": owner, "digest_": digest})).scalar()

    async def put(self, owner: str, digest: str, answer: str, keep_s: float) -> None:
        """Also forgets what has expired, once a minute."""
        now = self._clock.monotonic()
        sweeps = self._swept_s is None or now - self._swept_s >= SWEEP_EVERY_S
        steps = [self._keep.of({"owner": owner, "digest": digest, "answer": answer, "keep_s": keep_s})]
        if sweeps:
            self._swept_s = now
            steps.insert(0, self._sweep.of({}))
        await self._store.write(*steps)

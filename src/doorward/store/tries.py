"""Sign-in tries, counted before a password is looked at, so that parallel guesses count too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.identity import sign_in_tries

FORGET_S = 86_400.0
"""A day without a failure wipes the slate."""


def wait_s(failures: int, allowed: int) -> float:
    """Seconds to wait after `failures`: none up to `allowed`, then 60, 120, 240 … at most an hour."""
    over = failures - allowed
    return min(60.0 * 2**over, 3600.0) if over >= 0 else 0.0


class SignInTries:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, allowed: Mapping[str, int]) -> float:
        """Count one try for every name in `allowed` -> seconds to wait first; 0.0: go on (and it is counted)."""
        table = sign_in_tries
        async with self._store.writing() as connection:
            now = await self._store.now_s(connection)
            await connection.execute(delete(table).where(table.c.last_at < now - FORGET_S))
            for who in sorted(allowed):  # in one order, so that two of these never wait for each other
                start = insert(self._store.dialect, table).values(who=who, failures=0, last_at=now, blocked_until=0.0)
                await connection.execute(start.on_conflict_do_nothing())
            rows = (await connection.execute(select(table).where(table.c.who.in_(allowed)).with_for_update())).all()
            blocked_s = max((row.blocked_until - now for row in rows), default=0.0)
            if blocked_s > 0:
                return float(blocked_s)
            for row in rows:
                failures = row.failures + 1
                until = now + wait_s(failures, allowed[row.who])
                change: Any = table.update().where(table.c.who == row.who)
                await connection.execute(change.values(failures=failures, last_at=now, blocked_until=until))
            return 0.0

    async def succeeded(self, account: str, shared: Mapping[str, int]) -> None:
        """The account's slate is wiped; in `shared`, where others' failures stand too, this one try counts no more."""
        async with self._store.writing() as connection:
            await connection.execute(delete(sign_in_tries).where(sign_in_tries.c.who == account))
            await self._uncount(shared, connection)

    async def take_back(self, allowed: Mapping[str, int]) -> None:
        """A try that was counted, and whose password nobody came to look at."""
        async with self._store.writing() as connection:
            await self._uncount(allowed, connection)

    async def _uncount(self, allowed: Mapping[str, int], connection: AsyncConnection) -> None:
        table = sign_in_tries
        for who in sorted(allowed):
            one = (await connection.execute(select(table).where(table.c.who == who).with_for_update())).one_or_none()
            if one is None or one.failures == 0:
                continue
            waits = one.failures - 1 >= allowed[who]
            fewer: Any = table.update().where(table.c.who == who)
            await connection.execute(fewer.values(failures=one.failures - 1, blocked_until=one.blocked_until if waits else 0.0))

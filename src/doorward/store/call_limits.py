"""Limits of users and accounts (R32). A client key's own stand in its row."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import KeyLimits
from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.traffic import call_limits

BOUNDS = ("rpm", "rpd", "tpm", "tpd", "concurrency")


class CallLimits:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, KeyLimits]:
        """By subject: ``user:<id>`` or ``account:<id>``."""
        async with self._store.reading() as connection:
            rows = await connection.execute(select(call_limits).order_by(call_limits.c.subject))
            return {row.subject: KeyLimits(**{name: getattr(row, name) for name in BOUNDS}) for row in rows}

    async def set(self, subject: str, bounds: KeyLimits, within: AsyncConnection | None = None) -> None:
        """Add, or replace what stood there."""
        values = {"subject": subject, **{name: getattr(bounds, name) for name in BOUNDS}}
        async with self._store.writing(within) as connection:
            await connection.execute(upsert(self._store.dialect, call_limits, values))
            self._store.touched(subject)

    async def remove(self, subject: str, within: AsyncConnection | None = None) -> bool:
        async with self._store.writing(within) as connection:
            if (await connection.execute(delete(call_limits).where(call_limits.c.subject == subject))).rowcount == 0:
                return False
            self._store.touched(subject)
            return True

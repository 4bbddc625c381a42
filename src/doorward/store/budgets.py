"""Budgets as people set them, what is spent and held of them, and which alerts were sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert, upsert
from doorward.store.tables.budgets import budget_alerts, budget_periods, budgets
from doorward.store.tables.doors import client_keys
from doorward.store.tables.identity import users

_first = func.coalesce(client_keys.c.lineage, client_keys.c.public_id)
Period = Literal["day", "month", "ever"]
ALL = "all"
"""Everything together."""


@dataclass(frozen=True, slots=True)
class Cap:
    """`subject`: ``all``, ``user:<id>`` or ``key:<public id>`` of the first key in a chain of rotations."""

    subject: str
    nanos: int
    period: Period


@dataclass(frozen=True, slots=True)
class Used:
    """Nano-dollars of one period. `leased` is reserved by processes, used or not."""

    spent: int = 0
    leased: int = 0


class BudgetRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def caps(self) -> list[Cap]:
        """Of users and of everything together."""
        async with self._store.reading() as connection:
            return [Cap(row.subject, row.cap_nanos, row.period) for row in await connection.execute(select(budgets))]

    async def key_caps(self) -> list[Cap]:
        """Of client keys that have a budget and are not revoked."""
        keys = client_keys.c
        wanted = select(_first.label("first"), keys.budget_nanos, keys.budget_period).order_by(keys.created_at)
        async with self._store.reading() as connection:
            rows = await connection.execute(wanted.where(keys.budget_nanos.is_not(None), keys.revoked_at.is_(None)))
            caps = (Cap(f"key:{row.first}", row.budget_nanos, row.budget_period or "ever") for row in rows)
            return list({cap.subject: cap for cap in caps}.values())

    async def first_key(self, public_id: str) -> str:
        """The key that a chain of rotations began with: the chain has one budget. An unknown id is its own."""
        async with self._store.reading() as connection:
            found: str | None = (await connection.execute(select(_first).where(client_keys.c.public_id == public_id))).scalar()
            return found or public_id

    async def set(self, cap: Cap, within: AsyncConnection | None = None) -> bool:
        """-> whether the subject exists; a key's budget goes into the key's own row, and counts from its next call on."""
        async with self._store.writing(within) as connection:
            if cap.subject.startswith("key:"):
                return await self._set_key(connection, cap.subject[4:], cap.nanos, cap.period)
            values = {"subject": cap.subject, "cap_nanos": cap.nanos, "period": cap.period}
            await connection.execute(upsert(self._store.dialect, budgets, values))
            self._store.touched(cap.subject)
            return True

    async def remove(self, subject: str, within: AsyncConnection | None = None) -> bool:
        async with self._store.writing(within) as connection:
            if subject.startswith("key:"):
                return await self._set_key(connection, subject[4:], None, None)
            if (await connection.execute(delete(budgets).where(budgets.c.subject == subject))).rowcount == 0:
                return False
            self._store.touched(subject)
            return True

    async def _set_key(self, connection: AsyncConnection, public_id: str, nanos: int | None, period: str | None) -> bool:
        change = client_keys.update().where(_first == public_id, client_keys.c.revoked_at.is_(None))
        if (await connection.execute(change.values(budget_nanos=nanos, budget_period=period))).rowcount == 0:
            return False
        self._store.touched(f"key:{public_id}")
        return True

    async def used(self, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], Used]:
        """(subject, period) -> what is used of it; absent: nothing yet."""
        columns = budget_periods.c
        if not wanted:
            return {}
        async with self._store.reading() as connection:
            rows = await connection.execute(select(budget_periods).where(tuple_(columns.subject, columns.period).in_(wanted)))
            return {(row.subject, row.period): Used(row.spent_nanos, row.leased_nanos) for row in rows}

    async def user_id(self, named: str) -> str | None:
        """A user's id, by id or by e-mail."""
        wanted = select(users.c.id).where((users.c.id == named) | (users.c.email == named.lower()))
        async with self._store.reading() as connection:
            found: str | None = (await connection.execute(wanted)).scalar()
            return found

    async def labels(self, subjects: list[str]) -> dict[str, str]:
        """What people call users and keys: e-mails and labels."""
        ids = [subject.partition(":")[2] for subject in subjects]
        async with self._store.reading() as connection:
            keys = await connection.execute(
                select(_first.label("first"), client_keys.c.label).where(_first.in_(ids)).order_by(client_keys.c.created_at)
            )
            named = {f"key:{row.first}": row.label for row in keys}
            people = await connection.execute(select(users.c.id, users.c.email).where(users.c.id.in_(ids)))
            return named | {f"user:{row.id}": row.email for row in people}

    async def alert_once(self, subject: str, period: str, percent: int, cap_nanos: int) -> bool:
        """`True` for the one process that is to send this alert."""
        values = {"subject": subject, "period": period, "percent": percent, "cap_nanos": cap_nanos}
        async with self._store.writing() as connection:
            stored = await connection.execute(insert(self._store.dialect, budget_alerts).values(**values).on_conflict_do_nothing())
            return stored.rowcount > 0

"""Leases that were not renewed, and what they are charged: in full at first, less once somebody proves what their calls cost.

An expiry gives nothing back. The owner that returns knows what its lease was worth; of a process that is gone the
calls in the book say it. Rows are locked leases first, by id, then periods, by subject, as in `store.leases`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.periods import span
from doorward.store.tables.budgets import budget_periods as periods
from doorward.store.tables.budgets import leases
from doorward.store.tables.columns import database_now
from doorward.store.tables.money import calls

KEPT_S = 7 * 86400
"""An empty lease's row is kept this long, for proofs."""
BOUNDARY_S = 5.0
"""A call that started so close to a period's edge counts on both sides: a proof must never lower too much."""


class Charges:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def expire(self) -> int:
        """Charge every overdue lease in full -> how many. Money never comes back by an expiry."""
        async with self._store.writing() as connection:
            overdue = (leases.c.state == "held") & (leases.c.until < database_now()) & (leases.c.amount_nanos > 0)
            ids = (await connection.execute(_locked(select(leases.c.id).where(overdue).order_by(leases.c.id)))).scalars().all()
            return await self._charge(connection, ids)

    async def _charge(self, connection: AsyncConnection, ids: Sequence[str]) -> int:
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for lease_id in ids:
            row = (await connection.execute(select(leases).where(leases.c.id == lease_id, leases.c.state == "held"))).one_or_none()
            if row is None:
                continue
            charged = update(leases).where(leases.c.id == lease_id)
            await connection.execute(charged.values(state="expired", charged_nanos=row.amount_nanos, amount_nanos=0))
            sums[row.subject, row.period] += row.amount_nanos
        for (subject, period), amount in sorted(sums.items()):
            await connection.execute(moved(subject, period, amount, -amount))
        return len(ids)

    async def prove(self, lease_id: str, spent: int) -> bool:
        """The owner is back and knows what its expired lease was worth -> whether that lowered (or raised) the charge. Once."""
        async with self._store.writing() as connection:
            row = (await connection.execute(_locked(select(leases).where(leases.c.id == lease_id)))).one_or_none()
            if row is None or row.state != "expired":
                return False
            done = {"state": "proved", "charged_nanos": 0, "spent_nanos": leases.c.spent_nanos + spent}
            await connection.execute(update(leases).where(leases.c.id == lease_id).values(done))
            await connection.execute(moved(row.subject, row.period, spent - row.charged_nanos, 0))
            return True

    async def dead(self, home: str, own: str) -> list[str]:
        """Other processes of this journal directory that left leases: they hold money, or were charged without proof."""
        left = leases.c.state.in_(("held", "expired")) & ((leases.c.amount_nanos > 0) | (leases.c.charged_nanos > 0))
        found = select(leases.c.process).distinct().where(leases.c.home == home, leases.c.process != own, left)
        async with self._store.reading() as connection:
            return list((await connection.execute(found)).scalars().all())

    async def prove_dead(self, process: str) -> int:
        """Lower the charges of a process that is gone to what its calls cost -> nano-dollars given back.

        To be called only when each of its calls is in the book, where an entry stands once: so
        this may be repeated, and never lowers twice.
        """
        async with self._store.writing() as connection:
            mine = leases.c.process == process
            ids = select(leases.c.id).where(mine, leases.c.state == "held").order_by(leases.c.id)
            await self._charge(connection, (await connection.execute(_locked(ids))).scalars().all())
            grouped = select(
                leases.c.subject,
                leases.c.period,
                func.sum(leases.c.spent_nanos).label("spent"),
                func.sum(leases.c.charged_nanos).label("charged"),
                func.min(leases.c.created_at).label("since"),
            )
            groups = (await connection.execute(grouped.where(mine).group_by(leases.c.subject, leases.c.period))).all()
            given = 0
            for group in sorted(groups, key=lambda row: (row.subject, row.period)):
                if not group.charged:
                    continue
                actual = (await connection.execute(_cost_of(process, group.subject, group.period, group.since))).scalar_one() or 0
                back = min(int(group.charged), max(0, int(group.spent) + int(group.charged) - int(actual)))
                await connection.execute(moved(group.subject, group.period, -back, 0))
                given += back
            await connection.execute(
                update(leases).where(mine, leases.c.state == "expired").values(state="proved", charged_nanos=0)
            )
            return given

    async def forget(self) -> None:
        """Remove rows that nothing can prove any more."""
        old = (leases.c.amount_nanos == 0) & (leases.c.charged_nanos == 0) & (leases.c.until < database_now() - KEPT_S)
        async with self._store.writing() as connection:
            await connection.execute(delete(leases).where(old))


def moved(subject: str, period: str, spent: int, leased: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    change = update(periods).where(periods.c.subject == subject, periods.c.period == period)
    values = {"spent_nanos": _not_negative(periods.c.spent_nanos + spent), "leased_nanos": periods.c.leased_nanos + leased}
    return change.values(values).returning(periods.c.spent_nanos, periods.c.leased_nanos)


def _not_negative(amount: ColumnElement[int]) -> ColumnElement[int]:
    return case((amount < 0, 0), else_=amount)


def _locked(wanted: Select) -> Select:  # type: ignore[type-arg]  # whatever is selected
    """PostgreSQL: take the rows' locks now, in the order of the query. SQLite's writer is alone anyway."""
    return wanted.with_for_update()


def _cost_of(process: str, subject: str, period: str, since: float):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    start, end = span(period)
    kind, _, name = subject.partition(":")
    whose = {"key": calls.c.key_id == name, "user": calls.c.user_id == name}.get(kind)
    cost = select(func.sum(func.coalesce(calls.c.cost_nanos, calls.c.held_nanos, 0))).where(
        calls.c.process == process,
        calls.c.started_at >= max(start, since) - BOUNDARY_S,
        calls.c.started_at < end + BOUNDARY_S,
    )
    return cost if whose is None else cost.where(whose)

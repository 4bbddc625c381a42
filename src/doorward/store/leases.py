"""Leases in the database: every statement that moves money between spent, leased and free.

The guard is one UPDATE (`… WHERE spent + leased + :slice <= cap`); whatever runs at the same time,
in however many processes, the sum of leases and spending cannot pass the cap by it. Rows are
always locked leases first, by id, then periods, by subject: no two transactions wait for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.charges import Charges, moved
from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.budgets import budget_periods as periods
from doorward.store.tables.budgets import leases
from doorward.store.tables.columns import database_now


@dataclass(frozen=True, slots=True)
class Grown:
    """A slice was leased. `left` is what is free of the budget afterwards; `now_s` the database's clock."""

    slice_nanos: int
    left: int
    spent: int
    now_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The cap leaves no room."""

    spent: int
    leased: int
    now_s: float


class LeaseGone(Exception):
    """The lease has expired: it was charged in full."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an owner says of one lease: `spent` since its last report, of which `covered` was leased; `back` goes home."""

    lease_id: str
    subject: str
    period: str
    spent: int
    covered: int
    back: int


@dataclass(frozen=True, slots=True)
class Row:
    """A lease as the database has it."""

    amount: int
    spent: int
    state: str


class Leases:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.charges = Charges(store)

    async def grow(
        self,
        lease_id: str,
        subject: str,
        period: str,
        *,
        cap: int,
        need: int,
        want: int,
        ttl_s: float,
        process: str,
        home: str,
        first: bool,
    ) -> Grown | Refused:
        """Lease `want` more, an eighth of what is left at most, and `need` at least. Raises `LeaseGone`."""
        async with self._store.writing() as connection:
            until = database_now() + ttl_s
            if not first:
                touched = update(leases).where(leases.c.id == lease_id, leases.c.state == "held").values(until=until)
                if not (await connection.execute(touched)).rowcount:
                    raise LeaseGone(lease_id)
            key = {"subject": subject, "period": period}
            await connection.execute(insert(self._store.dialect, periods).values(**key).on_conflict_do_nothing())
            here = (periods.c.subject == subject) & (periods.c.period == period)
            seen = (await connection.execute(select(periods.c.spent_nanos, periods.c.leased_nanos).where(here))).one()
            left = cap - seen.spent_nanos - seen.leased_nanos
            for slice_nanos in dict.fromkeys((max(need, min(want, left // 8)), need)):
                grown = (await connection.execute(_guarded(here, cap, slice_nanos))).one_or_none()
                if grown is None:
                    continue
                values = {"id": lease_id, **key, "process": process, "home": home, "amount_nanos": slice_nanos, "until": until}
                if first:
                    await connection.execute(leases.insert().values(**values))
                else:
                    more = update(leases).where(leases.c.id == lease_id).values(amount_nanos=leases.c.amount_nanos + slice_nanos)
                    await connection.execute(more)
                return Grown(slice_nanos, cap - grown.spent_nanos - grown.leased_nanos, grown.spent_nanos, grown.now)
            return Refused(seen.spent_nanos, seen.leased_nanos, await self._store.now_s(connection))

    async def report(self, reports: Sequence[Report], ttl_s: float) -> tuple[dict[str, Row], dict[tuple[str, str], Row], float]:
        """Book what was spent, take back what is not needed, renew -> (expired leases, their budgets' rows, the database's clock).

        All or nothing. A lease that is not in the first answer was renewed for `ttl_s`. In the
        second, `amount` is what is leased and `spent` what is spent of (subject, period).
        """
        gone: dict[str, Row] = {}
        booked: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        async with self._store.writing() as connection:
            for one in sorted(reports, key=lambda report: report.lease_id):
                change = update(leases).where(leases.c.id == one.lease_id, leases.c.state == "held")
                values = {
                    "amount_nanos": leases.c.amount_nanos - one.covered - one.back,
                    "spent_nanos": leases.c.spent_nanos + one.spent,
                    "until": database_now() + ttl_s,
                }
                if (await connection.execute(change.values(values))).rowcount:
                    spent, freed = booked[one.subject, one.period]
                    booked[one.subject, one.period] = spent + one.spent, freed + one.covered + one.back
                else:
                    gone[one.lease_id] = await self._row(connection, one.lease_id)
            after: dict[tuple[str, str], Row] = {}
            for (subject, period), (spent, freed) in sorted(booked.items()):
                row = (await connection.execute(moved(subject, period, spent, -freed))).one_or_none()
                if row is not None:
                    after[subject, period] = Row(row.leased_nanos, row.spent_nanos, "")
            return gone, after, await self._store.now_s(connection)

    async def read(self, lease_id: str) -> Row:
        """After an answer that never came: what the database has."""
        async with self._store.reading() as connection:
            return await self._row(connection, lease_id)

    async def _row(self, connection: AsyncConnection, lease_id: str) -> Row:
        row = (await connection.execute(select(leases).where(leases.c.id == lease_id))).one_or_none()
        return Row(0, 0, "none") if row is None else Row(row.amount_nanos, row.spent_nanos, row.state)

    async def now_s(self) -> float:
        """The database's clock."""
        async with self._store.reading() as connection:
            return await self._store.now_s(connection)

    async def want(self, subject: str, period: str) -> None:
        """Ask the other processes for what they lease and do not use."""
        here = (periods.c.subject == subject) & (periods.c.period == period)
        async with self._store.writing() as connection:
            await connection.execute(update(periods).where(here).values(wanted_at=database_now()))

    async def wanted(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """(subject, period) -> when it was last asked for."""
        asked = select(periods.c.subject, periods.c.period, periods.c.wanted_at)
        async with self._store.reading() as connection:
            rows = await connection.execute(asked.where(tuple_(periods.c.subject, periods.c.period).in_(list(keys))))
            return {(row.subject, row.period): row.wanted_at for row in rows}


def _guarded(here: ColumnElement[bool], cap: int, slice_nanos: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    room = periods.c.spent_nanos + periods.c.leased_nanos + slice_nanos <= cap
    grown = update(periods).where(here, room).values(leased_nanos=periods.c.leased_nanos + slice_nanos)
    return grown.returning(periods.c.spent_nanos, periods.c.leased_nanos, database_now().label("now"))

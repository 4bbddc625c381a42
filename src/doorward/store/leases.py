"""Leases in the database: every statement that moves money between spent, leased and free.

The guard is one UPDATE (`… WHERE spent + leased + :slice <= cap`); whatever runs at the same time,
in however many processes, the sum of leases and spending cannot pass the cap by it. Rows are
always locked leases first, by id, then periods, by subject: no two transactions wait for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, case, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.budgets import budget_periods as periods
from doorward.store.tables.budgets import leases
from doorward.store.tables.columns import database_now
from doorward.store.tables.money import calls

KEPT_S = 7 * 86400
"""An empty lease's row is kept this long, for proofs."""
BOUNDARY_S = 5.0
"""A call that started so close to a period's edge counts on both sides: a proof must never lower too much."""


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
                row = (await connection.execute(_moved(subject, period, spent, -freed))).one_or_none()
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
            await connection.execute(_moved(subject, period, amount, -amount))
        return len(ids)

    async def prove(self, lease_id: str, spent: int) -> bool:
        """The owner is back and knows what its expired lease was worth -> whether that lowered (or raised) the charge. Once."""
        async with self._store.writing() as connection:
            row = (await connection.execute(_locked(select(leases).where(leases.c.id == lease_id)))).one_or_none()
            if row is None or row.state != "expired":
                return False
            done = {"state": "proved", "charged_nanos": 0, "spent_nanos": leases.c.spent_nanos + spent}
            await connection.execute(update(leases).where(leases.c.id == lease_id).values(done))
            await connection.execute(_moved(row.subject, row.period, spent - row.charged_nanos, 0))
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
                await connection.execute(_moved(group.subject, group.period, -back, 0))
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


def _guarded(here: ColumnElement[bool], cap: int, slice_nanos: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    room = periods.c.spent_nanos + periods.c.leased_nanos + slice_nanos <= cap
    grown = update(periods).where(here, room).values(leased_nanos=periods.c.leased_nanos + slice_nanos)
    return grown.returning(periods.c.spent_nanos, periods.c.leased_nanos, database_now().label("now"))


def _moved(subject: str, period: str, spent: int, leased: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    moved = update(periods).where(periods.c.subject == subject, periods.c.period == period)
    values = {"spent_nanos": _not_negative(periods.c.spent_nanos + spent), "leased_nanos": periods.c.leased_nanos + leased}
    return moved.values(values).returning(periods.c.spent_nanos, periods.c.leased_nanos)


def _not_negative(amount: ColumnElement[int]) -> ColumnElement[int]:
    return case((amount < 0, 0), else_=amount)


def _locked(wanted: Select) -> Select:  # type: ignore[type-arg]  # whatever is selected
    """PostgreSQL: take the rows' locks now, in the order of the query. SQLite's writer is alone anyway."""
    return wanted.with_for_update()


def _cost_of(process: str, subject: str, period: str, since: float):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    from doorward.store.periods import span

    start, end = span(period)
    kind, _, name = subject.partition(":")
    whose = {"key": calls.c.key_id == name, "user": calls.c.user_id == name}.get(kind)
    cost = select(func.sum(func.coalesce(calls.c.cost_nanos, calls.c.held_nanos, 0))).where(
        calls.c.process == process,
        calls.c.started_at >= max(start, since) - BOUNDARY_S,
        calls.c.started_at < end + BOUNDARY_S,
    )
    return cost if whose is None else cost.where(whose)

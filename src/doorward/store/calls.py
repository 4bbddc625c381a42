"""The book's tables: calls, attempts, refusals. Rows come in batches and are never changed; callers see their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store import rollups, tallies
from doorward.store.address import Dialect
from doorward.store.at_once import one_by_one
from doorward.store.call_rows import AttemptRow, CallRow, Refusal, Settled
from doorward.store.engine import Store
from doorward.store.groups import MEASURES, grouped
from doorward.store.steps import Step
from doorward.store.tables import money as tables
from doorward.store.tables.money import attempts, calls, refusals

_WRITTEN = ("calls", "attempts", "rollups", "daily_rollups", "owner_rollups", "tallies", "refusals")
"""Tables of a batch."""
_EXISTING = select(calls.c.opening).where(calls.c.opening.in_(bindparam("openings", expanding=True)))


@dataclass(frozen=True, slots=True)
class Filter:
    """What a page of calls is narrowed to; `None` = anything. `owner` is set for everyone but admins."""

    owner: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    provider_id: str | None = None
    account_id: str | None = None
    endpoint: str | None = None
    tag: str | None = None
    outcome: str | None = None
    status: int | None = None
    source: str | None = None
    error_code: str | None = None
    from_s: float | None = None
    """Unix seconds, inclusive."""
    to_s: float | None = None
    """Unix seconds, exclusive."""


class Calls:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._prepared = {table: store.prepared(_built(store.dialect, table)) for table in _WRITTEN}

    async def absorb(self, rows: Sequence[Settled], refused: Sequence[tuple[Refusal, int]] = ()) -> int:
        """Rows, their roll-ups and refusals in one transaction -> how many calls were new.

        A call that is there already is passed over with all that belongs to it. Raises `StoreError` when
        the database is away: then nothing was written, or all of it was. On disk only after `sync`.
        """
        counted = [(*msgspec.structs.astuple(refusal), count) for refusal, count in refused]
        try:
            await self._store.write(*self._steps(rows, counted))
        except IntegrityError:
            # One of them is there: a journal is read again after a crash. Looked for only now, as it nearly never is.
            return await self._absorb_new(rows, counted)
        return len(rows)

    async def _absorb_new(self, rows: Sequence[Settled], counted: list[tuple[Any, ...]]) -> int:
        async with self._store.writing() as connection:
            new = await self._new(connection, rows)
            await one_by_one(connection, self._steps(new, counted))
        return len(new)

    def _steps(self, new: Sequence[Settled], counted: list[tuple[Any, ...]]) -> list[Step]:
        groups = grouped(row.call for row in new)
        sums = rollups.add_up(groups)
        # each in one order everywhere, so that two processes never wait for each other's rows in a circle
        rows: dict[str, list[tuple[Any, ...]]] = {
            "calls": [msgspec.structs.astuple(row.call) for row in new],
            "attempts": [msgspec.structs.astuple(attempt) for row in new for attempt in row.attempts],
            "rollups": _ordered(sums),
            "daily_rollups": _ordered(rollups.by_day(sums)),
            "owner_rollups": _ordered(rollups.by_owner(sums)),
            "tallies": _ordered(tallies.add_up(groups)),
            "refusals": counted,
        }
        return [self._prepared[table].rows(given) for table, given in rows.items() if given]

    async def sync(self) -> None:
        """What was absorbed survives a power loss: the journal may forget it. Raises `StoreError`."""
        await self._store.sync()

    async def _new(self, connection: AsyncConnection, rows: Sequence[Settled]) -> list[Settled]:
        new = {row.call.opening: row for row in rows}
        if not new:
            return []
        for (opening,) in await connection.execute(_EXISTING, {"openings": list(new)}):
            del new[opening]
        return list(new.values())

    async def page(self, wanted: Filter, limit: int, after: tuple[float, str] | None = None) -> list[CallRow]:
        """Newest first; `after` is (started_at, id) of the last row of the page before."""
        older = None
        if after is not None:
            started_at, call_id = after
            older = or_(calls.c.started_at < started_at, and_(calls.c.started_at == started_at, calls.c.id < call_id))
        return await self._sorted(wanted, limit, older, newest_first=True)

    async def newer(self, wanted: Filter, limit: int, before: tuple[float, str]) -> list[CallRow]:
        """The oldest first of what is newer than (started_at, id) of the first row of a page."""
        started_at, call_id = before
        newer = or_(calls.c.started_at > started_at, and_(calls.c.started_at == started_at, calls.c.id > call_id))
        return await self._sorted(wanted, limit, newer, newest_first=False)

    async def _sorted(self, wanted: Filter, limit: int, place: ColumnElement[bool] | None, *, newest_first: bool) -> list[CallRow]:
        """By (started_at, id). A model is looked for twice, as what answered and as what was asked: each by an index of its own."""
        ways = [_filtered(wanted)]
        if wanted.model is not None:
            others = _filtered(replace(wanted, model=None))
            asked = others.where(calls.c.model_asked == wanted.model, text(tables.RENAMED))
            ways = [others.where(calls.c.model_served == wanted.model), asked]
        order = (calls.c.started_at.desc(), calls.c.id.desc()) if newest_first else (calls.c.started_at, calls.c.id)
        rows: list[CallRow] = []
        async with self._store.reading() as connection:
            for statement in ways:
                placed = statement if place is None else statement.where(place)
                rows += [CallRow(*row) for row in await connection.execute(placed.order_by(*order).limit(limit))]
        rows.sort(key=lambda row: (row.started_at, row.id), reverse=newest_first)
        return rows[:limit]

    async def settled_since(self, settled_at: float, wanted: Filter, limit: int) -> list[CallRow]:
        """Calls settled at or after a moment, oldest first: for following them live."""
        statement = _filtered(wanted).where(calls.c.settled_at >= settled_at)
        async with self._store.reading() as connection:
            rows = await connection.execute(statement.order_by(calls.c.settled_at, calls.c.id).limit(limit))
            return [CallRow(*row) for row in rows]

    async def one(self, call_id: str, owner: str | None) -> tuple[CallRow, list[AttemptRow]] | None:
        """`owner` = `None` sees everybody's. A stranger's call is the same `None` as an unknown one.

        Where a client sent one id several times, the newest call.
        """
        statement = _filtered(Filter(owner=owner)).where(calls.c.id == call_id).order_by(calls.c.started_at.desc()).limit(1)
        async with self._store.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                return None
            call = CallRow(*row)
            tried = await connection.execute(select(attempts).where(attempts.c.opening == call.opening).order_by(attempts.c.number))
            return call, [AttemptRow(*attempt) for attempt in tried]

    async def refused(self, wanted: Filter, limit: int) -> list[tuple[Refusal, int]]:
        """Counts of refusals by minute, newest first."""
        statement = select(refusals).order_by(refusals.c.minute.desc()).limit(limit)
        if wanted.owner is not None:
            statement = statement.where(refusals.c.owner == wanted.owner)
        if wanted.key_id is not None:
            statement = statement.where(refusals.c.key_id == wanted.key_id)
        if wanted.from_s is not None:
            statement = statement.where(refusals.c.minute >= int(wanted.from_s // 60))
        if wanted.to_s is not None:
            statement = statement.where(refusals.c.minute < -(-wanted.to_s // 60))
        async with self._store.reading() as connection:
            return [(Refusal(*row[:-1]), row[-1]) for row in await connection.execute(statement)]


def _ordered(sums: Mapping[tuple[Any, ...], Sequence[int]]) -> list[tuple[Any, ...]]:
    return [(*key, *measures) for key, measures in sorted(sums.items())]


def _built(dialect: Dialect, table: str) -> Any:
    match table:
        case "rollups":
            return rollups.adding(dialect, tables.rollups, MEASURES)
        case "daily_rollups":
            return rollups.adding(dialect, tables.daily_rollups, MEASURES)
        case "owner_rollups":
            return rollups.adding(dialect, tables.owner_rollups, MEASURES)
        case "tallies":
            return rollups.adding(dialect, tables.tallies, tallies.MEASURES)
        case "refusals":
            return rollups.adding(dialect, refusals, ("count",))
        case "attempts":
            return attempts.insert()
        case _:
            return calls.insert()


def _filtered(wanted: Filter) -> Select[Any]:
    statement = select(calls)
    equals = {
        calls.c.owner: wanted.owner,
        calls.c.key_id: wanted.key_id,
        calls.c.user_id: wanted.user_id,
        calls.c.provider_id: wanted.provider_id,
        calls.c.account_id: wanted.account_id,
        calls.c.endpoint: wanted.endpoint,
        calls.c.outcome: wanted.outcome,
        calls.c.status: wanted.status,
        calls.c.error_code: wanted.error_code,
        calls.c.source: wanted.source,
    }
    for column, value in equals.items():
        if value is not None:
            statement = statement.where(column == value)
    if wanted.model is not None:
        statement = statement.where(or_(calls.c.model_served == wanted.model, calls.c.model_asked == wanted.model))
    if wanted.tag is not None:
        # the tag as it stands in the JSON list, quotes included: no tag is part of another
        written = msgspec.json.encode(wanted.tag).decode()
        statement = statement.where(calls.c.tags.contains(written, autoescape=True))
    if wanted.from_s is not None:
        statement = statement.where(calls.c.started_at >= wanted.from_s)
    if wanted.to_s is not None:
        statement = statement.where(calls.c.started_at < wanted.to_s)
    return statement

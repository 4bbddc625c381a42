"""Sums of calls by quarter of an hour, by day of UTC and by owner, kept in the same transaction as the calls themselves.

Reports read nothing else, so that they are fast on any number of calls; `doorward ledger verify`
adds the calls up again and compares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, Select, Table, cast, func, select

from doorward.store.address import Dialect
from doorward.store.engine import Store
from doorward.store.groups import MEASURES, Group, bucket_of
from doorward.store.insert import insert
from doorward.store.lists import read
from doorward.store.tables import money as tables
from doorward.store.tables.doors import client_keys
from doorward.store.tables.identity import users

DAY_S = 86_400
KEYS = tuple(column.name for column in tables.rollups.primary_key)
Sums = dict[tuple[Any, ...], list[int]]
"""Key columns in `KEYS`' order -> measures in `MEASURES`' order."""


def add_up(groups: Iterable[Group]) -> Sums:
    """Roll-up rows that these calls add to."""
    sums: Sums = {}
    for of in groups:
        for tag in ("",) if of.tags == "[]" else ("", *read(of.tags)):
            _add(sums, (of.bucket, of.owner, of.key_id, of.user_id, of.model, of.provider_id, of.endpoint, tag), of.measures)
    return sums


def _add(sums: Sums, key: tuple[Any, ...], measures: list[int]) -> None:
    row = sums.get(key)
    sums[key] = list(measures) if row is None else [a + b for a, b in zip(row, measures, strict=True)]


def by_day(sums: Sums) -> Sums:
    """The same measures by day of UTC."""
    days: Sums = {}
    for (bucket, *rest), measures in sums.items():
        _add(days, (bucket // DAY_S * DAY_S, *rest), measures)
    return days


def by_owner(sums: Sums) -> Sums:
    """The same measures by (owner, quarter of an hour); the owner ``""`` is everybody."""
    owners: Sums = {}
    for (bucket, owner, *_, tag), measures in sums.items():
        if tag:
            continue  # a call stands once in the row without a tag
        for key in ((owner, bucket), ("", bucket)):
            _add(owners, key, measures)
    return owners


def adding(dialect: Dialect, table: Table, measures: tuple[str, ...]) -> Any:
    """INSERT that adds to the row that is there already."""
    statement = insert(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={name: table.c[name] + statement.excluded[name] for name in measures},
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Whole buckets from `from_s` to `to_s`, unix seconds, exclusive at the end; `owner` = `None`: everybody's."""

    from_s: float
    to_s: float
    owner: str | None = None
    key_id: str | None = None


class Rollups:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def sums(self, column: str, span: Span, *, utc: bool = True) -> list[tuple[Any, tuple[int, ...]]]:
        """Sums of the measures by one of the key columns -> (its value, measures in `MEASURES`' order).

        A value may stand there several times. Whole days of UTC come from the daily sums, the rest from the quarters;
        by ``bucket``, `utc` says that days of UTC are fine enough. Without a key, buckets come from the owners' own rows.
        """
        found: list[tuple[Any, tuple[int, ...]]] = []
        async with self._store.reading() as connection:
            if column == "bucket" and span.key_id is None:
                return [(row[0], tuple(row[1:])) for row in await connection.execute(_quarters(span))]
            for table, part in _parts(span, whole_days=column != "bucket" or utc):
                by = table.c[column]
                measures = (cast(func.sum(table.c[name]), BigInteger) for name in MEASURES)
                statement = self._within(select(by, *measures), table, column, part).group_by(by)
                found += [(row[0], tuple(row[1:])) for row in await connection.execute(statement)]
        return found

    async def trend(self, column: str, span: Span, *, utc: bool = False) -> list[tuple[Any, int, int, int]]:
        """(value of the column, bucket, calls, cost in nano-dollars) for each quarter of an hour that has any.

        `utc`: for each whole day of UTC instead, which is a hundredth of the rows. A value and bucket may stand there twice.
        """
        found: list[tuple[Any, int, int, int]] = []
        async with self._store.reading() as connection:
            for table, part in _parts(span, whole_days=utc):
                by, bucket = table.c[column], table.c.bucket
                calls, cost = (cast(func.sum(table.c[name]), BigInteger) for name in ("calls", "cost_nanos"))
                statement = self._within(select(by, bucket, calls, cost), table, column, part).group_by(by, bucket)
                found += [(row[0], row[1], row[2], row[3]) for row in await connection.execute(statement)]
        return found

    @staticmethod
    def _within(statement: Select[Any], table: Table, column: str, span: Span) -> Select[Any]:
        rollups = table.c
        statement = statement.where(rollups.bucket >= bucket_of(span.from_s), rollups.bucket < span.to_s)
        statement = statement.where(rollups.tag != "" if column == "tag" else rollups.tag == "")
        if span.owner is not None:
            statement = statement.where(rollups.owner == span.owner)
        if span.key_id is not None:
            statement = statement.where(rollups.key_id == span.key_id)
        return statement

    async def key_labels(self, key_ids: Collection[str]) -> dict[str, str]:
        """Labels of the keys that still exist."""
        statement = select(client_keys.c.public_id, client_keys.c.label).where(client_keys.c.public_id.in_(key_ids))
        async with self._store.reading() as connection:
            return {row.public_id: row.label for row in await connection.execute(statement)}

    async def user_names(self, user_ids: Collection[str]) -> dict[str, str]:
        """E-mail addresses of the users that still exist."""
        statement = select(users.c.id, users.c.email).where(users.c.id.in_(user_ids))
        async with self._store.reading() as connection:
            return {row.id: row.email for row in await connection.execute(statement)}


def _quarters(span: Span) -> Select[Any]:
    """A span's quarters of one owner, or of everybody: each a row that is there already."""
    rows = tables.owner_rollups.c
    statement = select(rows.bucket, *(rows[name] for name in MEASURES)).where(rows.owner == (span.owner or ""))
    return statement.where(rows.bucket >= bucket_of(span.from_s), rows.bucket < span.to_s)


def _parts(span: Span, *, whole_days: bool) -> list[tuple[Table, Span]]:
    """A span as whole days in the middle and quarters of an hour around them."""
    first = -(-bucket_of(span.from_s) // DAY_S) * DAY_S
    last = int(span.to_s // DAY_S) * DAY_S
    if not whole_days or first >= last:
        return [(tables.rollups, span)]
    parts = [(tables.daily_rollups, replace(span, from_s=first, to_s=last))]
    if bucket_of(span.from_s) < first:
        parts.append((tables.rollups, replace(span, to_s=first)))
    if last < span.to_s:
        parts.append((tables.rollups, replace(span, from_s=last)))
    return parts

"""What the overview asks: sums by quarter of an hour at each level it can be narrowed to, a key or none, a model or none.

Written in the calls' own transaction, like the roll-ups. Spans are kept as counts in bins, so that
percentiles of any period are one range of rows, whatever the number of calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Select, cast, func, literal, select

from doorward.store.engine import Store
from doorward.store.groups import BINS_A_DOUBLING, BUCKET_S, Group, bucket_of
from doorward.store.groups import MEASURES as GROUP_MEASURES
from doorward.store.tables.money import refusals, tallies

MEASURES = (
    "calls",
    "failed_calls",
    "cached_calls",
    "unknown_cost_calls",
    "input_tokens",
    "output_tokens",
    "cost_nanos",
)
Kind = Literal["model", "key", "user", "account", "error", "first_byte"]
Sums = dict[tuple[Any, ...], list[int]]
"""(kind, key, model, bucket, name) -> measures in `MEASURES`' order."""


def percentile_ms(bins: dict[int, int], share: float) -> float | None:
    """`share` 0 … 1 of the counts lies below it; inside a bin they are taken as evenly spread."""
    total = sum(bins.values())
    if not total:
        return None
    wanted, seen = share * total, 0
    for number in sorted(bins):
        count = bins[number]
        if seen + count >= wanted:
            into = (wanted - seen) / count
            return float(2.0 ** ((number + into) / BINS_A_DOUBLING))
        seen += count
    return float(2.0 ** ((max(bins) + 1) / BINS_A_DOUBLING))


_OF_GROUP = tuple(GROUP_MEASURES.index(name) for name in MEASURES)


def add_up(groups: Iterable[Group]) -> Sums:
    """Rows that these calls add to."""
    sums: Sums = {}
    for group in groups:
        measures = [group.measures[index] for index in _OF_GROUP]
        for kind, of, level, name in _rows(group):
            key = (kind, of, level, group.bucket, name)
            row = sums.get(key)
            sums[key] = measures if row is None else [a + b for a, b in zip(row, measures, strict=True)]
    return sums


def _rows(group: Group) -> list[tuple[Kind, str, str, str]]:
    key, model = group.key_id, group.model
    keys, models = {"", key}, {"", model}
    rows: list[tuple[Kind, str, str, str]] = [("model", level, "", model) for level in keys]
    rows += [("key", "", level, key) for level in models]
    rows += [("user", "", level, group.user_id) for level in models]
    if group.account_id is not None:
        rows.append(("account", "", "", group.account_id))
    if group.error:
        rows += [("error", of, level, group.error) for of in keys for level in models]
    if group.first_byte_bin is not None:
        rows += [("first_byte", of, level, str(group.first_byte_bin)) for of in keys for level in models]
    return rows


@dataclass(frozen=True, slots=True)
class Range:
    """Whole buckets from `from_s` to `to_s`, unix seconds, exclusive at the end; `""` = every key, every model."""

    from_s: float
    to_s: float
    key_id: str = ""
    model: str = ""


class Tallies:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def series(self, kind: Kind, over: Range, step_s: int, *columns: str) -> list[tuple[Any, ...]]:
        """(start of a step, name, *columns). Steps of `step_s` begin at `over.from_s`; `columns` are of `MEASURES`."""
        chosen = [cast(func.sum(tallies.c[name]), BigInteger) for name in columns]
        first = bucket_of(over.from_s)
        # added up by the database: a month of bins is thousands of rows a day
        number = (tallies.c.bucket - first) // literal(step_s, BigInteger)
        statement = self._within(select(number, tallies.c.name, *chosen), kind, over).group_by(number, tallies.c.name)
        async with self._store.reading() as connection:
            return [(first + int(row[0]) * step_s, *row[1:]) for row in await connection.execute(statement)]

    async def sums(self, kind: Kind, over: Range) -> dict[str, tuple[int, ...]]:
        """Name -> measures in `MEASURES`' order, over the whole range."""
        chosen = [cast(func.sum(tallies.c[name]), BigInteger) for name in MEASURES]
        statement = self._within(select(tallies.c.name, *chosen), kind, over).group_by(tallies.c.name)
        async with self._store.reading() as connection:
            return {row[0]: tuple(row[1:]) for row in await connection.execute(statement)}

    async def refusals(self, over: Range) -> list[tuple[int, str, int]]:
        """(bucket, code, how often): calls that were refused and never sent. They name no model, so a range of one has none."""
        if over.model:
            return []
        of = refusals.c
        bucket = of.minute - of.minute % (BUCKET_S // 60)
        statement = select(bucket, of.code, cast(func.sum(of.count), BigInteger)).group_by(bucket, of.code)
        statement = statement.where(of.minute >= bucket_of(over.from_s) // 60, of.minute < -(-over.to_s // 60))
        if over.key_id:
            statement = statement.where(of.key_id == over.key_id)
        async with self._store.reading() as connection:
            return [(row[0] * 60, row[1], row[2]) for row in await connection.execute(statement)]

    async def last_error(self, before_s: float, after_s: float) -> int | None:
        """The newest quarter of an hour with a failed call."""
        statement = select(func.max(tallies.c.bucket)).where(
            tallies.c.kind == "error", tallies.c.key_id == "", tallies.c.model == ""
        )
        statement = statement.where(tallies.c.bucket < before_s, tallies.c.bucket >= after_s)
        async with self._store.reading() as connection:
            found: int | None = (await connection.execute(statement)).scalar()
            return found

    async def any(self) -> bool:
        async with self._store.reading() as connection:
            return (await connection.execute(select(tallies.c.bucket).limit(1))).first() is not None

    @staticmethod
    def _within(statement: Select[Any], kind: Kind, over: Range) -> Select[Any]:
        of = tallies.c
        statement = statement.where(of.kind == kind, of.bucket >= bucket_of(over.from_s), of.bucket < over.to_s)
        if kind == "model":
            statement = statement.where(of.key_id == over.key_id, of.model == "")
            return statement.where(of.name == over.model) if over.model else statement
        if kind in ("key", "user", "account"):
            statement = statement.where(of.key_id == "", of.model == (over.model if kind != "account" else ""))
            return statement.where(of.name == over.key_id) if over.key_id and kind == "key" else statement
        return statement.where(of.key_id == over.key_id, of.model == over.model)

"""A transaction whose statements are all known before it begins: with SQLite one trip to its thread, whatever their number.

    append = store.prepared(insert(notes), "name", "value")
    await store.write(append.rows([("a", "1"), ("b", "2")]))

One that is written step by step holds the only writer through five or ten changes of thread, and everybody else waits
for their end; most of that time is ours and not SQLite's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

if TYPE_CHECKING:
    from doorward.store.one_trip import OneTripConnection


class Step(NamedTuple):
    """One statement, in the driver's words, once for each row of values."""

    sql: str
    rows: Sequence[Sequence[Any]] = ((),)
    needs_row: bool = False
    """For one row of values: it must change a row, or the transaction is undone."""


class Undone(Exception):
    """A step that needs a row changed none."""


class Prepared:
    """A statement compiled once, at its first use: compiling it costs more than writing a row, for which somebody waits."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        """`columns`: those of an INSERT that names none."""
        self._statement = statement
        self._dialect = dialect
        self._columns = columns

    @cached_property
    def _built(self) -> tuple[str, tuple[str, ...]]:
        """-> the driver's words, and the names of their values in order."""
        built: Any = self._statement.compile(dialect=self._dialect, column_keys=self._columns)
        return str(built), tuple(built.positiontup or ())

    def rows(self, rows: Sequence[Sequence[Any]]) -> Step:
        """Values in the order of an INSERT's columns."""
        return Step(self._built[0], rows)

    def of(self, values: Mapping[str, Any], *, needs_row: bool = False) -> Step:
        """By the names of its parameters; others are passed over."""
        sql, names = self._built
        return Step(sql, (tuple(values[name] for name in names),), needs_row)


async def one_by_one(connection: AsyncConnection, steps: Sequence[Step]) -> None:
    """Within an open transaction. Raises `Undone`."""
    for step in steps:
        given: Any = list(step.rows) if len(step.rows) > 1 else tuple(step.rows[0])
        done = await connection.exec_driver_sql(step.sql, given)
        if step.needs_row and not done.rowcount:
            raise Undone


async def in_one_trip(connection: AsyncConnection, steps: Sequence[Step]) -> None:
    """A transaction of its own on SQLite. Raises `Undone`, and what SQLAlchemy would."""
    raw = await connection.get_raw_connection()
    driver: OneTripConnection = raw.driver_connection  # type: ignore[assignment]  # SQLAlchemy knows no driver's class
    try:
        await driver.transaction(steps)
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error

"""Statements of a transaction that are all known before it begins, in the driver's words.

append = store.prepared(insert(notes), "name", "value")
await store.write(append.rows([("a", "1"), ("b", "2")]))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Dialect


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

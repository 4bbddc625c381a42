"""SQLite's driver with one trip to its thread for a statement, where aiosqlite makes four, and none for an empty ROLLBACK.

aiosqlite runs each of cursor, execute, fetchall and close in the connection's thread: two changes of thread each,
which on a busy machine cost more than the statement. Here a statement is run, read and closed there at once. All
its rows are in memory then, as SQLAlchemy reads them anyway; nothing here streams from the database.
A transaction that is known before it begins is one trip as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import aiosqlite

from doorward.store.steps import Step, Undone


def connect(database: str, **options: Any) -> aiosqlite.Connection:
    """To be awaited. What SQLAlchemy takes for `async_creator_fn`."""
    connection = OneTripConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    # a process that ends does not wait for a connection that nobody closed
    connection._thread.daemon = True
    return connection


class _Ran(NamedTuple):
    """What a statement did."""

    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]
    in_transaction: bool


class OneTripConnection(aiosqlite.Connection):
    may_be_open = False
    """A transaction. Stays true for a statement whose end nobody waited for."""

    def cursor(self) -> Any:
        """Nothing happens before a statement is run."""
        return _Cursor(self)

    async def run(self, way: str, sql: str, parameters: Sequence[Any]) -> _Ran:
        ran: _Ran = await self._trip(_run, way, sql, parameters)
        self.may_be_open = ran.in_transaction
        return ran

    async def transaction(self, steps: Sequence[Step]) -> None:
        """All or nothing. Raises `Undone` and the driver's errors; one that nobody waits for any more goes on to its end."""
        await self._trip(_transaction, steps)
        self.may_be_open = False

    async def _trip(self, work: Callable[..., Any], *given: Any) -> Any:
        self.may_be_open = True
        return await self._execute(work, self._conn, *given)  # type: ignore[no-untyped-call]  # aiosqlite's

    async def commit(self) -> None:
        await super().commit()
        self.may_be_open = False

    async def rollback(self) -> None:
        """SQLAlchemy calls it whenever a connection is given back."""
        if self.may_be_open:
            await super().rollback()
            self.may_be_open = False


class _Cursor:
    """As much of a cursor as SQLAlchemy's adapter uses."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._ran = _Ran(None, -1, None, [], False)
        self.arraysize = 1

    async def __aenter__(self) -> _Cursor:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> _Cursor:
        self._ran = await self._connection.run("execute", sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Sequence[Any]) -> _Cursor:
        self._ran = await self._connection.run("executemany", sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        return self._ran.rows

    async def close(self) -> None:
        """It was, in the thread."""

    @property
    def description(self) -> Any:
        return self._ran.description

    @property
    def rowcount(self) -> int:
        return self._ran.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._ran.lastrowid


def _run(connection: sqlite3.Connection, way: str, sql: str, parameters: Sequence[Any]) -> _Ran:
    with closing(connection.cursor()) as cursor:
        getattr(cursor, way)(sql, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return _Ran(cursor.description, cursor.rowcount, cursor.lastrowid, rows, connection.in_transaction)


def _transaction(connection: sqlite3.Connection, steps: Sequence[Step]) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for step in steps:
                cursor.executemany(step.sql, step.rows)
                if step.needs_row and not cursor.rowcount:
                    raise Undone
            cursor.execute("COMMIT")
        except BaseException:
            # what SQLite has undone by itself, as when its disk is full, is not open any more
            connection.rollback()
            raise

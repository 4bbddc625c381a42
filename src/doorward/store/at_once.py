"""A transaction of `steps`: with SQLite one trip to its thread, whatever their number.

One that is written step by step holds the only writer through five or ten changes of thread, and everybody else waits
for their end; most of that time is ours and not SQLite's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.steps import Step, Undone


class OneTrip(Protocol):
    """Port to `store.one_trip`, which only SQLite's Doorward imports."""

    async def transaction(self, steps: Sequence[Step]) -> None: ...


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
    driver: OneTrip = raw.driver_connection  # type: ignore[assignment]  # SQLAlchemy knows no driver's class
    try:
        await driver.transaction(steps)
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error

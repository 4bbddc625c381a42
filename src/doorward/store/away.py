"""Which of a driver's errors mean that the database is away, full or locked: those become 503, all others are mistakes of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from doorward.core.errors import StoreError

AWAY = "The database cannot be used at the moment. Nothing was changed; try again shortly"

_AWAY_STATES = ("08", "53", "55P03", "57", "58", "25006")
"""PostgreSQL's SQLSTATE beginnings: connection, resources, lock not available, operator intervention, system, read-only standby."""


@contextmanager
def away_is_503() -> Iterator[None]:
    """Around statements."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreError(AWAY, retry_after_s=1.0) from error
    except DBAPIError as error:
        if not _means_away(error):
            raise
        raise StoreError(AWAY, retry_after_s=1.0) from error


@contextmanager
def broken_socket_is_503() -> Iterator[None]:
    """Around statements on a server's connection: asyncpg lets the system's errors and its own time limit through."""
    try:
        yield
    except OSError as error:
        raise StoreError(AWAY, retry_after_s=1.0) from error


@contextmanager
def connecting_is_503() -> Iterator[None]:
    """Around connecting, where drivers raise whatever they like."""
    try:
        yield
    except Exception as error:
        raise StoreError(AWAY, retry_after_s=1.0) from error


def _means_away(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state.startswith(_AWAY_STATES)
    # SQLITE_ERROR is "no such table" and the like
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR


def root_cause(error: BaseException) -> str:
    """What the driver said, without SQLAlchemy's wrapping, statements and links."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip() or type(error).__name__

"""INSERT with ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps in two places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from doorward.store.address import Dialect

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


def insert(dialect: Dialect, table: Table) -> Insert:
    # imported by need: PostgreSQL's dialect is of no use to an embedded Doorward
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    statement: Any = sqlite.insert(table)
    return statement  # type: ignore[no-any-return]  # both Insert classes offer the same on_conflict methods


def upsert(dialect: Dialect, table: Table, values: dict[str, Any]) -> Insert:
    """Insert the row, or replace the named columns of the row with the same primary key."""
    keys = [column.name for column in table.primary_key]
    rest = {name: value for name, value in values.items() if name not in keys}
    return insert(dialect, table).values(**values).on_conflict_do_update(index_elements=keys, set_=rest)

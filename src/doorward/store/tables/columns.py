"""What every table is made with: one `metadata`, and the few column kinds that differ between databases.

Times are unix seconds in `Double`, money is nano-dollars in `BigInteger`, lists are JSON in `Text`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Double, MetaData
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.type_api import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class database_now(ColumnElement[float]):
    """The database's clock in unix seconds; a column's server default, or an expression in a query."""

    type: TypeEngine[float] = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(element: database_now, compiler: Any, **_: Any) -> str:
    # `unixepoch('now', 'subsec')` needs SQLite 3.42; a Julian day keeps about 40 µs
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(element: database_now, compiler: Any, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def created_at() -> Column[float]:
    """When the row was made, also for rows that people insert by hand."""
    return Column("created_at", Double, nullable=False, server_default=database_now())

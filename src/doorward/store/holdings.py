"""Everything that is kept about one user, found by the shape of the tables.

A table with a column `owner`, `owner_user_id` or `user_id` holds users' data, also one that is
added next year: it is exported and erased without being named here. Money must still add up after
an erasure, so the book's rows stay and lose whose they were.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Table, Text, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.tables import metadata
from doorward.store.tables.doors import accounts, sealed

NAMELESS = frozenset({"calls", "rollups", "refusals"})
"""Kept after an erasure, without a name: sums of money and counts."""
ELSEWHERE = frozenset({"users", "audit_people", "audit_rows", "tickets"})
"""Removed or made nameless by their own rooms; tickets go with the user's row."""
PRIVATE = frozenset({"digest", "password_hash", "salt", "envelope", "public_key"})
_FREE_TEXT = ("key_label", "tags")
_OWNERS = ("owner", "owner_user_id", "user_id")


class Holdings:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def export(self, user_id: str) -> dict[str, list[dict[str, Any]]]:
        """Table -> the user's rows, without hashes and keys."""
        found: dict[str, list[dict[str, Any]]] = {}
        async with self._store.reading() as connection:
            for table in _tables():
                shown = [
                    column for column in table.columns if not isinstance(column.type, LargeBinary) and column.name not in PRIVATE
                ]
                rows = (await connection.execute(select(*shown).where(_of(table, user_id)))).mappings().all()
                if rows:
                    found[table.name] = [dict(row) for row in rows]
        return found

    async def erase(self, user_id: str, nobody: str, within: AsyncConnection) -> dict[str, int]:
        """Delete, or put `nobody` in place of the user -> rows by table. Sealed keys go with their accounts."""
        done: dict[str, int] = {}
        names = (await within.execute(select(accounts.c.id).where(_of(accounts, user_id)))).scalars()
        keys = [f"account:{account_id}" for account_id in names]
        done["sealed"] = (await within.execute(delete(sealed).where(sealed.c.name.in_(keys)))).rowcount if keys else 0
        for table in reversed(_tables()):
            mine = _of(table, user_id)
            query: Any = (
                update(table).where(mine).values(_nameless(table, nobody)) if table.name in NAMELESS else delete(table).where(mine)
            )
            done[table.name] = (await within.execute(query)).rowcount
        return {table: rows for table, rows in done.items() if rows}


def _tables() -> list[Table]:
    """In the order of their foreign keys, the referenced first."""
    return [
        table for table in metadata.sorted_tables if table.name not in ELSEWHERE and any(name in table.columns for name in _OWNERS)
    ]


def _of(table: Table, user_id: str) -> ColumnElement[bool]:
    values = {"owner": f"user:{user_id}", "owner_user_id": user_id, "user_id": user_id}
    return or_(*(table.columns[name] == value for name, value in values.items() if name in table.columns))


def _nameless(table: Table, nobody: str) -> dict[str, Any]:
    values: dict[str, Any] = {"owner": nobody}
    if "user_id" in table.columns:
        values["user_id"] = None if table.columns["user_id"].nullable else ""
    for name in _FREE_TEXT:
        if name in table.columns and isinstance(table.columns[name].type, Text):
            values[name] = "[]" if name == "tags" else ""
    return values

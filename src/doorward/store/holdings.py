"""Everything that is kept about one user, found by the shape of the tables.

A table with a column `owner`, `owner_user_id` or `user_id` holds users' data, also one that is
added next year: it is exported and erased without being named here. Money must still add up after
an erasure, so the book's rows stay and lose whose they were.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, Table, Text, delete, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.call_contents import CONTENT
from doorward.store.engine import Store
from doorward.store.tables import metadata
from doorward.store.tables.doors import accounts, sealed
from doorward.store.tables.traffic import call_contents

NAMELESS = frozenset({"calls", "rollups", "daily_rollups", "refusals"})
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
                for part, reference in _parts(table):
                    # messages, documents, steps: theirs because they go with what is theirs
                    whole = select(reference.column).where(_of(table, user_id))
                    rows = (await connection.execute(select(part).where(reference.parent.in_(whole)))).mappings().all()
                    if rows:
                        found[part.name] = [dict(row) for row in rows]
        return found

    async def erase(self, user_id: str, nobody: str, within: AsyncConnection) -> dict[str, int]:
        """Delete, or put `nobody` in place of the user -> rows by table.

        What is sealed goes with its row: keys with accounts, contents with calls.
        """
        done: dict[str, int] = {}
        names = (await within.execute(select(accounts.c.id).where(_of(accounts, user_id)))).scalars()
        keys = [f"account:{account_id}" for account_id in names]
        # contents may be more than a statement takes parameters: the database names them itself
        said = select(literal(CONTENT) + call_contents.c.opening).where(_of(call_contents, user_id))
        theirs = sealed.c.name.in_(keys) | sealed.c.name.in_(said)
        done["sealed"] = (await within.execute(delete(sealed).where(theirs))).rowcount
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


def _parts(whole: Table) -> list[tuple[Table, ForeignKey]]:
    """Tables without an owner of their own, whose rows are deleted with this one's."""
    return [
        (table, reference)
        for table in metadata.sorted_tables
        if table.name not in ELSEWHERE and not any(name in table.columns for name in _OWNERS)
        for reference in table.foreign_keys
        if reference.column.table is whole and reference.ondelete == "CASCADE"
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

"""Every table that names an owner or a user: what one person has there is exported, and gone after an erasure; others' stays.

The tables are found by their columns, so one that is added next year is tried here without being named.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, Table, insert, select

from doorward.store.engine import Store
from doorward.store.holdings import ELSEWHERE, Holdings
from doorward.store.tables import metadata
from doorward.store.tables.doors import providers
from doorward.store.tables.identity import users

NAMED = ("owner", "owner_user_id", "user_id")
HELD = [table for table in metadata.sorted_tables if table.name not in ELSEWHERE and any(name in table.columns for name in NAMED)]
SUMS = {"calls", "rollups", "daily_rollups", "refusals"}
"""They stay, without a name: money must still add up."""
PARTS = {"messages": "conversation_id", "documents": "collection_id", "agent_steps": "run_id"}
"""Theirs because they belong to what is theirs: table -> the column that says to what."""


def filler(column: Column[Any], unique: str) -> Any:
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, (Integer, Float)):
        return 1
    return unique.encode() if isinstance(column.type, LargeBinary) else unique


def row_of(table: Table, user_id: str) -> dict[str, Any]:
    """It fits; what it says beside its owner is not this test's business."""
    row = {
        column.name: filler(column, f"{table.name} {user_id}")
        for column in table.columns
        if not column.nullable and column.server_default is None and column is not table.autoincrement_column
    }
    whose = {"owner": f"user:{user_id}", "owner_user_id": user_id, "user_id": user_id}
    return row | {name: whose[name] for name in NAMED if name in table.columns}


async def fill(store: Store, user_id: str) -> None:
    provider = row_of(providers, "anybody") | {"id": "a provider"}
    async with store.writing() as connection:
        if not (await connection.execute(select(providers.c.id).where(providers.c.id == provider["id"]))).first():
            await connection.execute(insert(providers).values(provider))
        user = row_of(users, user_id) | {"id": user_id, "role": "user"}
        await connection.execute(insert(users).values(user))
        for table in HELD:
            row = row_of(table, user_id)
            if "provider_id" in row:
                row["provider_id"] = provider["id"]
            await connection.execute(insert(table).values(row))
        for name, reference in PARTS.items():
            part = metadata.tables[name]
            [whole] = [one.column.table for one in part.c[reference].foreign_keys]
            row = row_of(part, user_id) | {reference: f"{whole.name} {user_id}"}
            await connection.execute(insert(part).values(row))


async def test_what_one_person_has_is_exported_and_erased_and_nobody_elses(store: Store) -> None:
    await fill(store, "ann")
    await fill(store, "bob")
    holdings = Holdings(store)
    shown = await holdings.export("ann")
    assert {table.name for table in HELD} | set(PARTS) == set(shown)
    assert all(len(rows) == 1 for rows in shown.values())
    assert "bob" not in str(shown)
    async with store.writing() as connection:
        await holdings.erase("ann", "erased:1", connection)
    async with store.reading() as connection:
        for table in [*HELD, *(metadata.tables[name] for name in PARTS)]:
            left = [dict(row) for row in (await connection.execute(select(table))).mappings()]
            theirs = [row for row in left if any(row.get(name) in ("ann", "user:ann") for name in NAMED)]
            assert theirs == [], table.name
            assert len(left) == (2 if table.name in SUMS else 1), table.name
    assert {table: len(rows) for table, rows in (await holdings.export("bob")).items()} == dict.fromkeys(shown, 1)


def test_every_table_below_somebodys_is_known_here() -> None:
    below = {
        table.name
        for table in metadata.sorted_tables
        if table not in HELD and any(reference.column.table in HELD for reference in table.foreign_keys)
    }
    assert below == set(PARTS)

"""Erase and export one user: nothing of theirs stays or is missed, nothing of others goes, money still adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, Text, func, insert, select, text
from tests.identity.front import KEY, Front, front

from doorward.store.tables import metadata
from doorward.store.tables.money import calls


def filler(column: Column[Any], unique: str) -> Any:
    """A value that fits; what calls hold beside their owner is not this test's business."""
    return unique if isinstance(column.type, Text) else False if isinstance(column.type, Boolean) else 0


async def a_call(door: Front, user_id: str, call_id: str) -> None:
    row = {column.name: filler(column, call_id) for column in calls.columns if not column.nullable}
    row |= {"id": call_id, "owner": f"user:{user_id}", "user_id": user_id, "cost_nanos": 1_000}
    row |= {"key_label": "laptop of Ann", "tags": '["ann-project"]'}
    async with door.store.writing() as connection:
        await connection.execute(insert(calls).values(row))


async def everything(door: Front) -> dict[str, str]:
    async with door.store.reading() as connection:
        return {table: str((await connection.execute(text(f"SELECT * FROM {table}"))).all()) for table in metadata.tables}


async def test_erased_means_no_trace_and_export_shows_all_of_it_before(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("root@example.com", "admin")
        ann, bob = await door.user("ann@example.com"), await door.user("bob@example.com")
        for email in ("ann@example.com", "bob@example.com"):
            async with door.signed_in(email) as browser:
                await browser.put("/api/v1/me/openai-key", json={"key": KEY})
                await browser.post("/api/v1/me/keys", json={"label": f"key of {email}"})
        await a_call(door, ann.id, "call-1")
        await a_call(door, bob.id, "call-2")
        async with door.signed_in("root@example.com") as root:
            shown = (await root.get(f"/api/v1/users/{ann.id}/export")).json()
            assert {"user", "accounts", "client_keys", "calls", "sessions", "audit"} <= set(shown)
            assert "bob" not in json.dumps(shown)
            assert KEY not in json.dumps(shown)
            for hidden in ("digest", "password_hash", "salt", "envelope"):
                assert f'"{hidden}"' not in json.dumps(shown)
            erased = (await root.post(f"/api/v1/users/{ann.id}/erase")).json()
            assert erased["rows"]["sealed"] == 1
        left = await everything(door)
        for table, rows in left.items():
            assert ann.id not in rows, table
            assert "ann@example.com" not in rows, table
            assert "laptop of Ann" not in rows or table == "calls", table
        assert "bob@example.com" in left["users"]
        assert left["sealed"].count("account:") == 1
        async with door.store.reading() as connection:
            total = (await connection.execute(select(func.sum(calls.c.cost_nanos)))).scalar_one()
            [nameless] = (await connection.execute(select(calls).where(calls.c.id == "call-1"))).all()
        assert total == 2_000
        assert nameless.owner.startswith("erased:")
        assert (nameless.key_label, nameless.tags, nameless.user_id) == ("", "[]", None)
        verdict = await door.desk.audit.verify()
        assert verdict.broken_at is None
        assert "user.erase" in await door.audit_actions()


async def test_somebody_who_erases_themselves_leaves_no_name_either(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("root@example.com", "admin")
        ann = await door.user("ann@example.com", "admin")
        async with door.signed_in("ann@example.com") as browser:
            assert (await browser.post(f"/api/v1/users/{ann.id}/erase")).status_code == 200
        left = await everything(door)
        assert all(ann.id not in rows for rows in left.values())
        assert left["audit_people"].count("user_") == 1


def test_every_table_of_users_data_is_known_to_erasure() -> None:
    """A new table that names a user in a column of another name would be missed: this notices."""
    from doorward.store.holdings import _OWNERS

    suspicious = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if ("user" in column.name or "owner" in column.name) and column.name not in _OWNERS
    }
    assert suspicious <= {"accounts.quota_owner"}

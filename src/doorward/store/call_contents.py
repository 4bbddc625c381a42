"""Whose calls' contents are kept, and until when. What was said is the vault's, sealed under `content:<opening>`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.doors import client_keys
from doorward.store.tables.traffic import call_contents

DAY_S = 86_400.0
CONTENT = "content:"


@dataclass(frozen=True, slots=True)
class ContentRow:
    """`opening` is the call's in the book; `expires_at` in unix seconds; `cut`: request or answer was longer than is kept."""

    opening: str
    call_id: str
    owner: str
    key_id: str
    cut: bool
    expires_at: float


def sealed_name(opening: str) -> str:
    return CONTENT + opening


class CallContents:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def days(self, key_ids: Collection[str], within: AsyncConnection) -> dict[str, int]:
        """Key -> its days, of keys that are still there and still switched on: one that was erased meanwhile keeps nothing."""
        wanted = client_keys.c.public_id.in_(list(key_ids)) & client_keys.c.content_days.is_not(None)
        rows = await within.execute(select(client_keys.c.public_id, client_keys.c.content_days).where(wanted))
        return {row.public_id: row.content_days for row in rows}

    async def add(self, row: ContentRow, within: AsyncConnection) -> bool:
        """-> whether it is new: a page that is written twice is kept once."""
        values = {name: getattr(row, name) for name in ContentRow.__slots__}
        statement = insert(self._store.dialect, call_contents).values(**values).on_conflict_do_nothing()
        return (await within.execute(statement.returning(call_contents.c.opening))).first() is not None

    async def of(self, opening: str) -> ContentRow | None:
        """`None` also when its time is up and nobody has swept yet."""
        async with self._store.reading() as connection:
            now = await self._store.now_s(connection)
            wanted = (call_contents.c.opening == opening) & (call_contents.c.expires_at > now)
            row = (await connection.execute(select(call_contents).where(wanted))).one_or_none()
            return ContentRow(*row) if row else None

    async def expired(self, within: AsyncConnection, limit: int) -> list[str]:
        """Remove rows whose time is up -> their openings."""
        now = await self._store.now_s(within)
        over = select(call_contents.c.opening).where(call_contents.c.expires_at <= now).limit(limit)
        statement = delete(call_contents).where(call_contents.c.opening.in_(over)).returning(call_contents.c.opening)
        return list((await within.execute(statement)).scalars())

"""Small facts that all processes share, by name: the first-run token's hash, the master key's check value, heads of chains."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert, upsert
from doorward.store.tables.doors import settings_kv

_BY_NAME = select(settings_kv.c.value).where(settings_kv.c.name == bindparam("wanted"))


class Notes:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: str) -> str | None:
        async with self._store.reading() as connection:
            return (await connection.execute(_BY_NAME, {"wanted": name})).scalar_one_or_none()

    async def get_held(self, name: str, within: AsyncConnection) -> str | None:
        """Read inside a transaction; nobody changes the note before that transaction ends."""
        # SQLite has one writer at a time, and leaves the lock clause out
        return (await within.execute(_BY_NAME.with_for_update(read=True), {"wanted": name})).scalar_one_or_none()

    async def set(self, name: str, value: str, within: AsyncConnection | None = None) -> None:
        async with self._store.writing(within) as connection:
            await connection.execute(upsert(self._store.dialect, settings_kv, {"name": name, "value": value}))

    async def compare_and_set(self, name: str, expected: str | None, new: str, within: AsyncConnection | None = None) -> bool:
        """Write `new` if the note still says `expected` (`None`: there is none yet) -> whether it was written."""
        async with self._store.writing(within) as connection:
            if expected is None:
                statement = insert(self._store.dialect, settings_kv).values(name=name, value=new).on_conflict_do_nothing()
                return (await connection.execute(statement.returning(settings_kv.c.name))).first() is not None
            same = (settings_kv.c.name == name) & (settings_kv.c.value == expected)
            return (await connection.execute(update(settings_kv).where(same).values(value=new))).rowcount == 1

    async def forget(self, name: str, within: AsyncConnection | None = None) -> bool:
        async with self._store.writing(within) as connection:
            return (await connection.execute(delete(settings_kv).where(settings_kv.c.name == name))).rowcount == 1

"""From where each client key was used before."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.doors import client_keys
from doorward.store.tables.identity import key_addresses


class KeyAddresses:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def saw(self, public_id: str, address: str) -> bool:
        """Remember; `True`: the address is new for a key that was used elsewhere before."""
        async with self._store.writing() as connection:
            now = await self._store.now_s(connection)
            row = insert(self._store.dialect, key_addresses).values(public_id=public_id, address=address, first_seen_at=now)
            if (await connection.execute(row.on_conflict_do_nothing())).rowcount != 1:
                return False
            others = select(func.count()).where(key_addresses.c.public_id == public_id)
            return int((await connection.execute(others)).scalar_one()) > 1

    async def forget_user(self, user_id: str, within: AsyncConnection) -> None:
        keys = select(client_keys.c.public_id).where(client_keys.c.owner_user_id == user_id)
        await within.execute(delete(key_addresses).where(key_addresses.c.public_id.in_(keys)))

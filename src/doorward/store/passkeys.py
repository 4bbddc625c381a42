"""Passkeys as rows: public keys, nothing to steal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.errors import Conflict
from doorward.store.engine import Store
from doorward.store.tables.identity import passkeys


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """`id` is the credential's id in base64url; `sign_count` is the authenticator's, 0 if it keeps none."""

    id: str
    user_id: str
    name: str
    public_key: bytes
    sign_count: int
    backed_up: bool
    created_at: float
    last_used_at: float | None


class PasskeyRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def by_id(self, passkey_id: str) -> PasskeyRow | None:
        found = await self._select(passkeys.c.id == passkey_id)
        return found[0] if found else None

    async def of_user(self, user_id: str) -> list[PasskeyRow]:
        return await self._select(passkeys.c.user_id == user_id)

    async def add(
        self, passkey_id: str, user_id: str, name: str, public_key: bytes, sign_count: int, backed_up: bool, within: AsyncConnection
    ) -> None:
        row = {"id": passkey_id, "user_id": user_id, "name": name, "public_key": public_key}
        try:
            async with within.begin_nested():
                await within.execute(insert(passkeys).values(**row, sign_count=sign_count, backed_up=backed_up))
        except IntegrityError:
            raise Conflict("This passkey is already registered.") from None

    async def used(self, passkey_id: str, before: int, after: int, within: AsyncConnection) -> bool:
        """Move the counter on; `False` if somebody else moved it meanwhile (a cloned authenticator)."""
        query = update(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.sign_count == before)
        now = await self._store.now_s(within)
        return (await within.execute(query.values(sign_count=after, last_used_at=now))).rowcount == 1

    async def remove(self, passkey_id: str, user_id: str, within: AsyncConnection) -> bool:
        query = delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
        return (await within.execute(query)).rowcount == 1

    async def _select(self, condition: Any) -> list[PasskeyRow]:
        async with self._store.reading() as connection:
            rows = (await connection.execute(select(passkeys).where(condition).order_by(passkeys.c.created_at))).mappings()
            return [PasskeyRow(**row) for row in rows]

"""Who is answering which `Idempotency-Key`, and until when its answer is kept. The answers are the vault's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.traffic import idempotent_calls


@dataclass(frozen=True, slots=True)
class Claim:
    """`is_done`: the answer is kept; else somebody is at it."""

    fingerprint: str
    is_done: bool
    is_mine: bool


class IdempotentCalls:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, name: str, fingerprint: str, for_s: float) -> Claim:
        """The first to ask gets it; a claim whose time is up is free again."""
        async with self._store.writing() as connection:
            now = await self._store.now_s(connection)
            await connection.execute(
                delete(idempotent_calls).where(idempotent_calls.c.name == name, idempotent_calls.c.expires_at <= now)
            )
            values = {"name": name, "fingerprint": fingerprint, "expires_at": now + for_s}
            statement = insert(self._store.dialect, idempotent_calls).values(**values).on_conflict_do_nothing()
            if (await connection.execute(statement.returning(idempotent_calls.c.name))).first() is not None:
                return Claim(fingerprint, False, True)
            row = (await connection.execute(select(idempotent_calls).where(idempotent_calls.c.name == name))).one()
            return Claim(row.fingerprint, row.is_done, False)

    async def done(self, name: str, keep_s: float, within: AsyncConnection) -> None:
        now = await self._store.now_s(within)
        values = {"is_done": True, "expires_at": now + keep_s}
        await within.execute(update(idempotent_calls).where(idempotent_calls.c.name == name).values(**values))

    async def free(self, name: str) -> None:
        """No answer came that may be kept: whoever asks next makes the call."""
        async with self._store.writing() as connection:
            await connection.execute(delete(idempotent_calls).where(idempotent_calls.c.name == name))

    async def expired(self, within: AsyncConnection) -> list[str]:
        """Remove the rows whose time is up -> their names."""
        now = await self._store.now_s(within)
        statement = delete(idempotent_calls).where(idempotent_calls.c.expires_at <= now).returning(idempotent_calls.c.name)
        return list((await within.execute(statement)).scalars())

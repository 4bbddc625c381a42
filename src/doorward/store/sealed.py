"""Sealed keys as rows. Nothing here can open one: that is the vault's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.doors import sealed


@dataclass(frozen=True, slots=True)
class SealedRow:
    """`set_at` in unix seconds; `version` counts the values that this name has had."""

    name: str
    version: int
    envelope: bytes
    master_key_id: str
    set_at: float


_BY_NAME = select(sealed).where(sealed.c.name == bindparam("wanted"))


class Sealed:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: str) -> SealedRow | None:
        async with self._store.reading() as connection:
            row = (await connection.execute(_BY_NAME, {"wanted": name})).one_or_none()
            return _row(row) if row else None

    async def next_version(self, name: str, within: AsyncConnection) -> int:
        found = (await within.execute(select(sealed.c.version).where(sealed.c.name == name))).scalar_one_or_none()
        return 1 if found is None else found + 1

    async def put(self, row: SealedRow, within: AsyncConnection) -> None:
        """The whole row at once: whoever commits last is stored, and no row is ever half of two."""
        values = {
            "name": row.name,
            "version": row.version,
            "envelope": row.envelope,
            "master_key_id": row.master_key_id,
            "set_at": row.set_at,
        }
        await within.execute(upsert(self._store.dialect, sealed, values))

    async def forget(self, names: list[str], within: AsyncConnection) -> frozenset[str]:
        """-> the names that were there."""
        statement = delete(sealed).where(sealed.c.name.in_(names)).returning(sealed.c.name)
        return frozenset((await within.execute(statement)).scalars())

    async def names(self, prefix: str = "") -> list[str]:
        async with self._store.reading() as connection:
            statement = select(sealed.c.name).where(sealed.c.name.startswith(prefix, autoescape=True)).order_by(sealed.c.name)
            return list((await connection.execute(statement)).scalars())

    async def count_by_master_key(self) -> dict[str, int]:
        """Master key id -> rows it wraps."""
        async with self._store.reading() as connection:
            statement = select(sealed.c.master_key_id, func.count()).group_by(sealed.c.master_key_id)
            return {row[0]: row[1] for row in await connection.execute(statement)}

    async def wrapped_by(self, master_key_id: str, limit: int, within: AsyncConnection) -> list[SealedRow]:
        statement = select(sealed).where(sealed.c.master_key_id == master_key_id).order_by(sealed.c.name).limit(limit)
        return [_row(row) for row in await within.execute(statement)]

    async def rewrap(self, row: SealedRow, envelope: bytes, master_key_id: str, within: AsyncConnection) -> bool:
        """Replace the envelope if the row is still the one that was read; `set_at` and `version` stay."""
        same = (sealed.c.name == row.name) & (sealed.c.version == row.version) & (sealed.c.envelope == row.envelope)
        statement = update(sealed).where(same).values(envelope=envelope, master_key_id=master_key_id)
        return (await within.execute(statement)).rowcount == 1


def _row(row: Row[Any]) -> SealedRow:
    return SealedRow(row.name, row.version, bytes(row.envelope), row.master_key_id, row.set_at)

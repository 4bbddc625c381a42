"""Which object at an upstream belongs to whom, and on which account it lies (R18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.insert import insert
from doorward.store.tables.columns import database_now
from doorward.store.tables.doors import objects


@dataclass(frozen=True, slots=True)
class Binding:
    """`account_id` is `None` where the provider needs no key."""

    id: str
    kind: str
    owner: str
    provider_id: str
    account_id: str | None
    created_at: float


_LIVING = select(objects).where(objects.c.deleted_at.is_(None))
_BY_ID = _LIVING.where(objects.c.id == bindparam("wanted"))
_BY_ID_AND_OWNER = _BY_ID.where(objects.c.owner == bindparam("whose"))


class Objects:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def bind(
        self,
        object_id: str,
        kind: str,
        owner: str,
        provider_id: str,
        account_id: str | None,
        within: AsyncConnection | None = None,
    ) -> bool:
        """Remember whose it is -> whether it is theirs now. An id that somebody has already is never taken over.

        Binding again after `forget` brings it back: only the upstream hands out ids.
        """
        mine = and_(objects.c.owner == owner, objects.c.provider_id == provider_id)
        values = {"id": object_id, "kind": kind, "owner": owner, "provider_id": provider_id, "account_id": account_id}
        statement = (
            insert(self._store.dialect, objects)
            .values(**values)
            .on_conflict_do_update(
                index_elements=["id"], set_={"kind": kind, "account_id": account_id, "deleted_at": None}, where=mine
            )
            .returning(objects.c.id)
        )
        async with self._store.writing(within) as connection:
            return (await connection.execute(statement)).first() is not None

    async def find(self, object_id: str, owner: str | None = None) -> Binding | None:
        """Without `owner` whoever's it is: the caller compares, and answers 404 to strangers."""
        async with self._store.reading() as connection:
            if owner is None:
                found = await connection.execute(_BY_ID, {"wanted": object_id})
            else:
                found = await connection.execute(_BY_ID_AND_OWNER, {"wanted": object_id, "whose": owner})
            row = found.one_or_none()
            return _binding(row) if row else None

    async def of_owner(self, owner: str, kind: str, limit: int = 100, after: Binding | None = None) -> list[Binding]:
        """Newest first, a page at a time: `after` is the last one of the page before."""
        statement = _LIVING.where(objects.c.owner == owner, objects.c.kind == kind)
        if after is not None:
            older = or_(
                objects.c.created_at < after.created_at, and_(objects.c.created_at == after.created_at, objects.c.id < after.id)
            )
            statement = statement.where(older)
        statement = statement.order_by(objects.c.created_at.desc(), objects.c.id.desc()).limit(limit)
        async with self._store.reading() as connection:
            return [_binding(row) for row in await connection.execute(statement)]

    async def owned(self, owner: str, object_ids: list[str]) -> frozenset[str]:
        """Those of `object_ids` that are the owner's: for filtering a list that an upstream sent."""
        statement = _LIVING.where(objects.c.owner == owner, objects.c.id.in_(object_ids)).with_only_columns(objects.c.id)
        async with self._store.reading() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def forget(self, object_id: str, owner: str | None = None, within: AsyncConnection | None = None) -> bool:
        """After the upstream deleted it. The row stays, marked, so that the id cannot become somebody else's."""
        statement = update(objects).where(objects.c.id == object_id, objects.c.deleted_at.is_(None))
        if owner is not None:
            statement = statement.where(objects.c.owner == owner)
        async with self._store.writing(within) as connection:
            return (await connection.execute(statement.values(deleted_at=database_now()))).rowcount == 1


def _binding(row: Row[Any]) -> Binding:
    return Binding(row.id, row.kind, row.owner, row.provider_id, row.account_id, row.created_at)

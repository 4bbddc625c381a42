"""Sessions as rows: the id is a hash of the cookie's value, so a stolen table opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import Role
from doorward.store.engine import Store
from doorward.store.tables.identity import sessions, users


@dataclass(frozen=True, slots=True)
class SessionRow:
    """Times are unix seconds by the database's clock; `role` is the user's role now."""

    id: str
    user_id: str
    email: str
    role: Role
    how: str
    agent: str
    from_addr: str
    created_at: float
    last_seen_at: float
    expires_at: float


class SessionRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def by_id(self, session_id: str) -> SessionRow | None:
        found = await self._select(sessions.c.id == session_id)
        return found[0] if found else None

    async def of_user(self, user_id: str) -> list[SessionRow]:
        """Newest first."""
        return await self._select(sessions.c.user_id == user_id)

    async def add(
        self, session_id: str, user_id: str, *, how: str, agent: str, from_addr: str, lasts_s: float, within: AsyncConnection
    ) -> None:
        now = await self._store.now_s(within)
        await within.execute(delete(sessions).where(sessions.c.expires_at < now))
        await within.execute(
            insert(sessions).values(
                id=session_id,
                user_id=user_id,
                how=how,
                agent=agent,
                from_addr=from_addr,
                expires_at=now + lasts_s,
                last_seen_at=now,
            )
        )

    async def end(self, session_id: str, user_id: str) -> bool:
        """Only its own user's."""
        async with self._store.writing() as connection:
            ended = await connection.execute(delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id))
            return ended.rowcount == 1

    async def end_all(self, user_id: str, *, but: str | None = None, within: AsyncConnection | None = None) -> list[str]:
        """-> the ids that ended."""
        query = delete(sessions).where(sessions.c.user_id == user_id)
        if but is not None:
            query = query.where(sessions.c.id != but)
        async with self._store.writing(within) as connection:
            return list((await connection.execute(query.returning(sessions.c.id))).scalars())

    async def touch_many(self, seen_at: Mapping[str, float]) -> None:
        query = update(sessions).where(sessions.c.id == bindparam("session")).values(last_seen_at=bindparam("seen"))
        async with self._store.writing() as connection:
            await connection.execute(query, [{"session": key, "seen": at} for key, at in seen_at.items()])

    async def _select(self, condition: object) -> list[SessionRow]:
        columns = [sessions.c[name] for name in ("id", "user_id", "how", "agent", "from_addr")]
        query = (
            select(*columns, sessions.c.created_at, sessions.c.last_seen_at, sessions.c.expires_at, users.c.email, users.c.role)
            .join(users, users.c.id == sessions.c.user_id)
            .where(condition)  # type: ignore[arg-type]  # a column comparison; SQLAlchemy types it as bool
            .order_by(sessions.c.created_at.desc())
        )
        async with self._store.reading() as connection:
            return [SessionRow(**row) for row in (await connection.execute(query)).mappings()]

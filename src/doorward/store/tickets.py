"""Tickets: random tokens that work once and for a while. Only their SHA-256 is kept.

The first admin's link, invitations, passkey challenges and OIDC states are all tickets of
different kinds. Taking one deletes it in the same statement, so of any number of parallel
takers one wins.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.errors import Unavailable
from doorward.store.engine import Store
from doorward.store.tables.identity import tickets

MAX_TOKEN_CHARS = 512
MOST_OPEN = 20_000
"""Of one kind: anybody may begin a ceremony, and nobody shall fill the disk with them."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was kept about a token. `id` is its digest, safe to show and to name it by."""

    id: str
    user_id: str | None
    payload: dict[str, Any]
    created_at: float
    expires_at: float


class Tickets:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def make(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        lasts_s: float,
        user_id: str | None = None,
        token: str | None = None,
        within: AsyncConnection | None = None,
    ) -> str:
        """-> the token, 256 bits. `token`: keep this one, already random, instead."""
        token = token or secrets.token_urlsafe(32)
        async with self._store.writing(within) as connection:
            now = await self._store.now_s(connection)
            await connection.execute(delete(tickets).where(tickets.c.expires_at < now))
            open_now = (await connection.execute(select(func.count()).where(tickets.c.kind == kind))).scalar_one()
            if open_now >= MOST_OPEN:
                raise Unavailable("Too many sign-ins are under way. Try again in a minute.", retry_after_s=60)
            row = {"digest": _digest(token), "kind": kind, "payload": json.dumps(dict(payload)), "user_id": user_id}
            await connection.execute(insert(tickets).values(**row, expires_at=now + lasts_s))
        return token

    async def take(self, kind: str, token: str, within: AsyncConnection | None = None) -> Ticket | None:
        """Use it up. `None`: unknown, used before, or too old."""
        if len(token) > MAX_TOKEN_CHARS:
            return None
        query = delete(tickets).where(tickets.c.digest == _digest(token), tickets.c.kind == kind).returning(tickets)
        async with self._store.writing(within) as connection:
            row = (await connection.execute(query)).first()
            now = await self._store.now_s(connection)
        return _ticket(row) if row is not None and row.expires_at > now else None

    async def look(self, kind: str, token: str) -> Ticket | None:
        """The same without using it up."""
        if len(token) > MAX_TOKEN_CHARS:
            return None
        async with self._store.reading() as connection:
            row = (
                await connection.execute(select(tickets).where(tickets.c.digest == _digest(token), tickets.c.kind == kind))
            ).first()
            now = await self._store.now_s(connection)
        return _ticket(row) if row is not None and row.expires_at > now else None

    async def open(self, kind: str) -> list[Ticket]:
        """Those that still work, newest first."""
        async with self._store.reading() as connection:
            now = await self._store.now_s(connection)
            query = select(tickets).where(tickets.c.kind == kind, tickets.c.expires_at > now)
            return [_ticket(row) for row in await connection.execute(query.order_by(tickets.c.created_at.desc()))]

    async def drop(self, kind: str, ticket_id: str | None = None, within: AsyncConnection | None = None) -> bool:
        """Make one, or all of a kind, useless."""
        query = delete(tickets).where(tickets.c.kind == kind)
        if ticket_id is not None:
            query = query.where(tickets.c.digest == ticket_id)
        async with self._store.writing(within) as connection:
            return (await connection.execute(query)).rowcount > 0


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _ticket(row: Any) -> Ticket:
    return Ticket(row.digest, row.user_id, json.loads(row.payload), row.created_at, row.expires_at)

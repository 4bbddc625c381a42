"""Users as rows. What makes a user valid, and who may change one, stands in `identity.users`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import Role
from doorward.core.errors import Conflict
from doorward.store.engine import Store
from doorward.store.tables.identity import external_identities, users

ADMINS_LOCK = 0x646F6F72  # any number that no other lock of ours uses


@dataclass(frozen=True, slots=True)
class User:
    """`password_hash` is argon2's text, `None` when the user has no password. Times are unix seconds."""

    id: str
    email: str
    role: Role
    created_at: float
    signed_in_at: float | None = None
    password_hash: str | None = field(default=None, repr=False)


def _user(row: Any) -> User:
    return User(row.id, row.email, row.role, row.created_at, row.signed_in_at, row.password_hash)


class UserRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def by_id(self, user_id: str, within: AsyncConnection | None = None) -> User | None:
        return await self._one(select(users).where(users.c.id == user_id), within)

    async def by_email(self, email: str, within: AsyncConnection | None = None) -> User | None:
        return await self._one(select(users).where(users.c.email == email), within)

    async def by_external(self, issuer: str, subject: str, within: AsyncConnection | None = None) -> User | None:
        joined = select(users).join(external_identities, external_identities.c.user_id == users.c.id)
        return await self._one(
            joined.where(external_identities.c.issuer == issuer, external_identities.c.subject == subject), within
        )

    async def list(self, after_email: str = "", limit: int = 50) -> list[User]:
        """In order of e-mail, a page at a time."""
        query = select(users).where(users.c.email > after_email).order_by(users.c.email).limit(limit)
        async with self._store.reading() as connection:
            return [_user(row) for row in await connection.execute(query)]

    async def has_admin(self, within: AsyncConnection | None = None) -> bool:
        return await self._one(select(users).where(users.c.role == "admin").limit(1), within) is not None

    async def admins(self, within: AsyncConnection) -> int:
        return int((await within.execute(select(func.count()).where(users.c.role == "admin"))).scalar_one())

    async def lock_admins(self, within: AsyncConnection) -> None:
        """Until the transaction ends nobody else makes, demotes or removes an admin."""
        if self._store.dialect == "postgresql":
            await within.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADMINS_LOCK})
        # SQLite has one writer, and writing() took the file's lock before it read

    async def add(self, user_id: str, email: str, role: Role, password_hash: str | None, within: AsyncConnection) -> User:
        """Raises `Conflict` if the e-mail is taken."""
        row = {"id": user_id, "email": email, "role": role, "password_hash": password_hash}
        try:
            async with within.begin_nested():
                made = (await within.execute(insert(users).values(row).returning(users))).one()
        except IntegrityError:
            raise Conflict("A user with this e-mail is already there.") from None
        return _user(made)

    async def change(self, user_id: str, within: AsyncConnection, **columns: Any) -> bool:
        return (await within.execute(update(users).where(users.c.id == user_id).values(columns))).rowcount == 1

    async def remove(self, user_id: str, within: AsyncConnection) -> bool:
        """Sessions, passkeys, links and tickets go with the row."""
        return (await within.execute(delete(users).where(users.c.id == user_id))).rowcount == 1

    async def link(self, issuer: str, subject: str, user_id: str, within: AsyncConnection) -> None:
        await within.execute(insert(external_identities).values(issuer=issuer, subject=subject, user_id=user_id))

    async def _one(self, query: Any, within: AsyncConnection | None) -> User | None:
        if within is not None:
            row = (await within.execute(query)).first()
        else:
            async with self._store.reading() as connection:
                row = (await connection.execute(query)).first()
        return _user(row) if row is not None else None

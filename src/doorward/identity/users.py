"""Users: made, changed and removed, each with its row in the audit chain, in one transaction.

There is always an admin once there was one: the last cannot be demoted or removed, and two admins
cannot do it to each other at the same time.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.audit.chain import Audit
from doorward.core.caller import Caller, Role
from doorward.core.errors import Conflict, NotFound, Unprocessable
from doorward.core.secret import Secret
from doorward.identity.passwords import Passwords
from doorward.identity.sessions import Sessions
from doorward.store.client_keys import ClientKeys
from doorward.store.engine import Store
from doorward.store.users import User, UserRows

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>\"',;:\\()\[\]]{1,64}@[^@\s\x00-\x1f\x7f<>\"',;:\\()\[\]]{1,190}")


def normal_email(given: str) -> str:
    """One spelling for one person. Raises `Unprocessable` for what is no address."""
    email = unicodedata.normalize("NFKC", given).strip().casefold()
    if not _EMAIL.fullmatch(email) or ".." in email:
        raise Unprocessable("This is not an e-mail address.", param="email")
    return email


def role_of(given: str) -> Role:
    """Raises `Unprocessable` for a role that does not exist."""
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        if given == role:
            return role
    raise Unprocessable("The role must be admin or user.", param="role")


class Users:
    def __init__(self, store: Store, passwords: Passwords, sessions: Sessions, client_keys: ClientKeys, audit: Audit) -> None:
        self._store = store
        self._rows = UserRows(store)
        self._passwords = passwords
        self._sessions = sessions
        self._client_keys = client_keys
        self._audit = audit

    async def by_id(self, user_id: str) -> User | None:
        return await self._rows.by_id(user_id)

    async def by_email(self, email: str) -> User | None:
        return await self._rows.by_email(normal_email(email))

    async def list(self, after_email: str = "", limit: int = 50) -> list[User]:
        return await self._rows.list(after_email, limit)

    async def has_admin(self) -> bool:
        return await self._rows.has_admin()

    async def add(self, email: str, role: Role, password: Secret | None, *, actor: Caller | str, from_addr: str = "") -> User:
        """Raises `Unprocessable` (address, password), `Conflict` (e-mail taken)."""
        email = normal_email(email)
        hashed = await self._passwords.hash(password) if password is not None else None
        async with self._store.writing() as connection:
            if role == "admin":
                await self._rows.lock_admins(connection)
            return await self.add_within(email, role, hashed, connection, actor=actor, from_addr=from_addr)

    async def add_within(
        self,
        email: str,
        role: Role,
        password_hash: str | None,
        within: AsyncConnection,
        *,
        actor: Caller | str | None,
        from_addr: str = "",
    ) -> User:
        """The same in an open transaction. `actor` `None`: the new user themselves (set-up, invitation)."""
        user = await self._rows.add(new_id(), email, role, password_hash, within)
        by = actor if actor is not None else f"user:{user.id}"
        await self._audit.append(by, "user.add", f"user:{user.id}", from_addr=from_addr, details={"role": role}, within=within)
        return user

    async def set_role(self, user_id: str, role: Role, *, actor: Caller | str, from_addr: str = "") -> User:
        """Ends the user's sessions: the next sign-in gets a new id with the new role."""
        async with self._store.writing() as connection:
            await self._rows.lock_admins(connection)
            user = await self._there(user_id, connection)
            if user.role == role:
                return user
            if user.role == "admin":
                await self._not_the_last(connection)
            await self._rows.change(user_id, connection, role=role)
            ended = await self._sessions.end_all(user_id, within=connection)
            await self._audit.append(
                actor,
                "user.role",
                f"user:{user_id}",
                from_addr=from_addr,
                details={"from": user.role, "to": role, "sessions_ended": ended},
                within=connection,
            )
        return await self._there_now(user_id)

    async def set_password(
        self, user_id: str, password: Secret, *, actor: Caller | str, keep_session: str | None = None, from_addr: str = ""
    ) -> None:
        """Ends every other session: whoever knew the old password is out."""
        hashed = await self._passwords.hash(password)
        async with self._store.writing() as connection:
            await self._there(user_id, connection)
            await self._rows.change(user_id, connection, password_hash=hashed)
            ended = await self._sessions.end_all(user_id, but=keep_session, within=connection)
            details = {"sessions_ended": ended}
            await self._audit.append(
                actor, "user.password", f"user:{user_id}", from_addr=from_addr, details=details, within=connection
            )

    async def require_removable(self, user_id: str, within: AsyncConnection) -> User:
        """Lock, find, and refuse the last admin; the caller removes in the same transaction."""
        await self._rows.lock_admins(within)
        user = await self._there(user_id, within)
        if user.role == "admin":
            await self._not_the_last(within)
        return user

    async def remove(self, user_id: str, *, actor: Caller | str, from_addr: str = "") -> User:
        """The user cannot come in any more: sessions, passkeys and links go, client keys are revoked.

        What they made stays until `doorward user erase` (identity.erasure) takes that too.
        """
        async with self._store.writing() as connection:
            user = await self.require_removable(user_id, connection)
            revoked = await self._client_keys.revoke_of_user(user_id, connection)
            await self._sessions.end_all(user_id, within=connection)
            await self._rows.remove(user_id, connection)
            details = {"role": user.role, "keys_revoked": revoked}
            await self._audit.append(
                actor, "user.remove", f"user:{user_id}", from_addr=from_addr, details=details, within=connection
            )
        return user

    async def _not_the_last(self, within: AsyncConnection) -> None:
        if await self._rows.admins(within) <= 1:
            raise Conflict("This is the last admin. Make another user an admin first.", code="last_admin")

    async def _there(self, user_id: str, within: AsyncConnection) -> User:
        user = await self._rows.by_id(user_id, within)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def _there_now(self, user_id: str) -> User:
        user = await self._rows.by_id(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user


def new_id() -> str:
    return "user_" + secrets.token_hex(10)

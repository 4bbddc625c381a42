"""The first admin: a one-time link printed at start, never "whoever comes first" (R12).

The token stands in the link's fragment (in no log, no Referer), is kept as a hash, lives 30 minutes
and is renewed at each start until there is an admin.
"""

from __future__ import annotations

import asyncio

from doorward.core.errors import Conflict, Forbidden
from doorward.core.secret import Secret
from doorward.identity.passwords import Passwords
from doorward.identity.users import Users, normal_email
from doorward.store.engine import Store
from doorward.store.tickets import Tickets
from doorward.store.users import User, UserRows

KIND = "setup"
LASTS_S = 30 * 60.0
USED = (
    "This set-up link was used, or is older than 30 minutes. Restart Doorward for a new one, "
    "or run: doorward user add you@example.com --admin --password-stdin"
)


class FirstRun:
    def __init__(self, store: Store, users: Users, passwords: Passwords) -> None:
        self._store = store
        self._rows = UserRows(store)
        self._tickets = Tickets(store)
        self._users = users
        self._passwords = passwords
        # who comes second learns that the link is used, and need not wait for a password to be hashed for nothing
        self._turn = asyncio.Lock()

    async def renew(self) -> str | None:
        """At each start: the token of a new link, and the old ones die; `None`: there is an admin already."""
        async with self._store.writing() as connection:
            await self._rows.lock_admins(connection)
            await self._tickets.drop(KIND, within=connection)
            if await self._rows.has_admin(connection):
                return None
            return await self._tickets.make(KIND, {}, lasts_s=LASTS_S, within=connection)

    async def is_open(self) -> bool:
        """Whether there is no admin yet: the sign-in page links to the set-up."""
        return not await self._rows.has_admin()

    async def require_open(self, token: str) -> None:
        """Refuse a dead link before any work is done for it."""
        if await self._tickets.look(KIND, token) is None or await self._rows.has_admin():
            raise Forbidden(USED, code="setup_link_used")

    async def finish(self, token: str, email: str, password: Secret | None, *, from_addr: str = "") -> User:
        """Make the admin. `password` `None`: a passkey is registered next, by the session that follows.

        Of any number of parallel tries one succeeds; a try with a bad e-mail or password leaves the link alive.
        """
        await self.require_open(token)
        email = normal_email(email)
        async with self._turn:
            await self.require_open(token)
            return await self._finish(token, email, password, from_addr)

    async def _finish(self, token: str, email: str, password: Secret | None, from_addr: str) -> User:
        hashed = await self._passwords.hash(password) if password is not None else None
        async with self._store.writing() as connection:
            await self._rows.lock_admins(connection)
            if await self._tickets.take(KIND, token, connection) is None:
                raise Forbidden(USED, code="setup_link_used")
            if await self._rows.has_admin(connection):
                raise Conflict("There is an admin already. Ask them for an invitation.")
            user = await self._users.add_within(email, "admin", hashed, connection, actor=None, from_addr=from_addr)
            await self._tickets.drop(KIND, within=connection)
        return user

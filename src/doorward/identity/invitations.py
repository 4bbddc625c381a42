"""Invitations: a link that makes one user, once, within a day. The token stands in its fragment."""

from __future__ import annotations

from doorward.audit.chain import Audit
from doorward.core.caller import Caller, Role
from doorward.core.errors import Conflict, Forbidden, NotFound
from doorward.core.secret import Secret
from doorward.identity.passwords import Passwords
from doorward.identity.users import Users, normal_email, role_of
from doorward.store.engine import Store
from doorward.store.tickets import Ticket, Tickets
from doorward.store.users import User, UserRows

KIND = "invitation"
LASTS_S = 24 * 3600.0
USED = "This invitation was used, withdrawn, or is older than a day. Ask for a new one."


class Invitations:
    def __init__(self, store: Store, users: Users, passwords: Passwords, audit: Audit) -> None:
        self._store = store
        self._tickets = Tickets(store)
        self._rows = UserRows(store)
        self._users = users
        self._passwords = passwords
        self._audit = audit

    async def make(self, email: str, role: Role, *, actor: Caller | str, from_addr: str = "") -> str:
        """-> the token, for the link. A second invitation for an e-mail replaces the first."""
        email = normal_email(email)
        if await self._rows.by_email(email) is not None:
            raise Conflict("A user with this e-mail is already there.")
        before = [ticket.id for ticket in await self._tickets.open(KIND) if ticket.payload.get("email") == email]
        async with self._store.writing() as connection:
            for ticket_id in before:
                await self._tickets.drop(KIND, ticket_id, connection)
            token = await self._tickets.make(KIND, {"email": email, "role": role}, lasts_s=LASTS_S, within=connection)
            details = {"role": role}
            await self._audit.append(actor, "invitation.make", from_addr=from_addr, details=details, within=connection)
        return token

    async def open(self) -> list[Ticket]:
        """Those that still work: payload `email`, `role`."""
        return await self._tickets.open(KIND)

    async def withdraw(self, ticket_id: str, *, actor: Caller | str, from_addr: str = "") -> None:
        async with self._store.writing() as connection:
            if not await self._tickets.drop(KIND, ticket_id, connection):
                raise NotFound("There is no such invitation.")
            await self._audit.append(actor, "invitation.withdraw", from_addr=from_addr, within=connection)

    async def look(self, token: str) -> tuple[str, Role]:
        """-> (e-mail, role) that the link is for. Raises `Forbidden` for a dead one."""
        ticket = await self._tickets.look(KIND, token)
        if ticket is None:
            raise Forbidden(USED, code="invitation_used")
        return ticket.payload["email"], role_of(ticket.payload["role"])

    async def accept(self, token: str, password: Secret | None, *, from_addr: str = "") -> User:
        """Make the user. `password` `None`: a passkey is registered next, by the session that follows."""
        email, role = await self.look(token)
        hashed = await self._passwords.hash(password) if password is not None else None
        async with self._store.writing() as connection:
            if await self._tickets.take(KIND, token, connection) is None:
                raise Forbidden(USED, code="invitation_used")
            return await self._users.add_within(email, role, hashed, connection, actor=None, from_addr=from_addr)

"""Erase and export one user: all that is kept about them, in one transaction or one document."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Protocol

from doorward.audit.chain import Audit
from doorward.core.caller import OPERATOR, Caller
from doorward.core.errors import NotFound
from doorward.identity.users import Users
from doorward.store.engine import Store
from doorward.store.holdings import Holdings
from doorward.store.key_addresses import KeyAddresses
from doorward.store.users import UserRows

AUDIT_PAGE = 1000


class Content(Protocol):
    """What a call said."""

    @property
    def request(self) -> str: ...
    @property
    def answer(self) -> str: ...


ContentOf = Callable[[str], Awaitable[Content | None]]


class Erasure:
    """`content_of`: a call's opening -> what it said, where its key keeps that."""

    def __init__(self, store: Store, users: Users, audit: Audit, content_of: ContentOf | None = None) -> None:
        self._store = store
        self._users = users
        self._rows = UserRows(store)
        self._holdings = Holdings(store)
        self._addresses = KeyAddresses(store)
        self._audit = audit
        self._content_of = content_of

    async def export(self, user_id: str, *, actor: Caller | str = OPERATOR, from_addr: str = "") -> dict[str, Any]:
        """Everything kept about the user, without hashes and keys (R7). Who is shown what calls said stands in the audit chain."""
        user = await self._users.by_id(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        about: list[dict[str, Any]] = []
        before: int | None = None
        while page := await self._audit.page(before=before, limit=AUDIT_PAGE, user_id=user_id):
            shown = ("number", "at", "actor", "action", "target", "details", "from_addr")
            about += [{name: value for name, value in asdict(row).items() if name in shown} for row in page]
            before = page[-1].number
        person = {name: value for name, value in asdict(user).items() if name != "password_hash"}
        held = await self._holdings.export(user_id)
        if self._content_of is not None and (kept := held.get("call_contents")):
            details = {"calls": len(kept)}
            await self._audit.append(actor, "call.content.read", f"user:{user_id}", from_addr=from_addr, details=details)
            for row in kept:
                said = await self._content_of(row["opening"])
                if said is not None:
                    row |= {"request": said.request, "answer": said.answer}
        return {"user": person, **held, "audit": about}

    async def erase(self, user_id: str, *, actor: Caller | str, from_addr: str = "") -> dict[str, int]:
        """-> rows erased or made nameless, by table. The last admin cannot be erased.

        The chain keeps every row and stays whole; who the pseudonym was is gone with its salt.
        """
        async with self._store.writing() as connection:
            user = await self._users.require_removable(user_id, connection)
            if isinstance(actor, Caller) and actor.user_id == user_id:
                actor = "doorward"  # a row that named the erased user would undo the erasure
            await self._addresses.forget_user(user_id, connection)
            done = await self._holdings.erase(user_id, f"erased:{secrets.token_hex(10)}", connection)
            done["audit_rows"] = await self._audit.forget(user_id, connection)
            done["users"] = int(await self._rows.remove(user_id, connection))
            details = {"role": user.role, "rows": sum(done.values())}
            await self._audit.append(actor, "user.erase", from_addr=from_addr, details=details, within=connection)
        return {table: rows for table, rows in done.items() if rows}

"""Sessions: an opaque cookie, hashed at rest, read again every few seconds (R13).

The id of a session is the SHA-256 of its cookie: it names the session in lists, logs and streams
and opens nothing. A new one is made at every sign-in; a change of role ends the old ones.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.identity.custody import Custody, draws_on, user_owner
from doorward.identity.fresh import Fresh
from doorward.identity.roles import ROLE_SCOPES
from doorward.identity.site import Site
from doorward.store.engine import Store
from doorward.store.sessions import SessionRow, SessionRows

LASTS_S = 14 * 86_400.0
TOKEN_CHARS = 43
AGENT_CHARS = 200


class Sessions:
    def __init__(
        self, store: Store, clock: Clock, custody: Custody, site: Site, *, keep_s: float = 4.0, lasts_s: float = LASTS_S
    ) -> None:
        self._rows = SessionRows(store)
        self._store = store
        self._clock = clock
        self._custody = custody
        self._site = site
        self._lasts_s = lasts_s
        self._known: Fresh[str, SessionRow] = Fresh(self._rows.by_id, clock, keep_s=keep_s)
        self._seen: dict[str, float] = {}

    @property
    def cookie_name(self) -> bytes:
        return self._site.cookie_name

    async def open(
        self, user_id: str, *, how: str, agent: str = "", from_addr: str = "", within: AsyncConnection | None = None
    ) -> str:
        """-> the cookie's value, which is nowhere else. Whatever cookie the browser had before stays behind."""
        token = secrets.token_urlsafe(32)
        agent = "".join(letter for letter in agent[:AGENT_CHARS] if letter.isprintable())
        async with self._store.writing(within) as connection:
            await self._rows.add(
                session_id(token.encode()),
                user_id,
                how=how,
                agent=agent,
                from_addr=from_addr,
                lasts_s=self._lasts_s,
                within=connection,
            )
        return token

    async def caller(self, token: bytes) -> Caller | None:
        """Who is signed in by this cookie; `None`: nobody, or no longer."""
        return await self.caller_by_id(session_id(token)) if len(token) == TOKEN_CHARS else None

    async def caller_by_id(self, session_id: str) -> Caller | None:
        row = self._known.peek(session_id) or await self._known.get(session_id)
        now = self._clock.wall()
        if row is None or row.expires_at <= now:
            return None
        self._seen[session_id] = now
        return Caller(
            owner=user_owner(row.user_id),
            draws_on=draws_on(self._custody, row.user_id),
            scopes=ROLE_SCOPES[row.role],
            role=row.role,
            user_id=row.user_id,
            label=row.email,
            session_id=row.id,
        )

    async def of_user(self, user_id: str) -> list[SessionRow]:
        return await self._rows.of_user(user_id)

    async def end(self, session_id: str, user_id: str) -> bool:
        """`False`: the user has no such session."""
        ended = await self._rows.end(session_id, user_id)
        self.forget([session_id])
        return ended

    async def end_all(self, user_id: str, *, but: str | None = None, within: AsyncConnection | None = None) -> int:
        """All of a user's, except `but` -> how many."""
        async with self._store.writing(within) as connection:
            ended = await self._rows.end_all(user_id, but=but, within=connection)
            self._store.after_commit(connection, lambda: self.forget(ended))
        return len(ended)

    def forget(self, session_ids: Iterable[str]) -> None:
        for session_id in session_ids:
            self._known.forget(session_id)

    async def flush(self) -> None:
        """Write when each session was last seen."""
        seen, self._seen = self._seen, {}
        if seen:
            await self._rows.touch_many(seen)

    def set_cookie(self, token: str) -> str:
        """The `Set-Cookie` value that signs a browser in."""
        return self._cookie(token, int(self._lasts_s))

    def clear_cookie(self) -> str:
        return self._cookie("", 0)

    def _cookie(self, value: str, max_age_s: int) -> str:
        secure = "; Secure" if self._site.is_https else ""
        return f"{self.cookie_name.decode()}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"


def session_id(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()

"""The one reader of credentials: headers -> `Caller`, for every front door (R14).

`/v1` takes client keys only; `/apps` and `/api/v1` take a key or a session cookie, never both.
Warm, a key costs a header scan, one SHA-256 and one constant-time comparison; cold, one query.
Rows are kept `keep_s` seconds, so a revocation, a lost role or an expiry is felt by every process
within 5 s (I9). Uses are gathered in memory and written every few seconds by `run`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from dataclasses import dataclass

from doorward.core.caller import Caller
from doorward.core.client_key import parse
from doorward.core.clock import Clock
from doorward.core.errors import BadRequest, InvalidApiKey, Unauthenticated
from doorward.core.exchange import Headers
from doorward.identity.carriers import USE, cookie, presented_key
from doorward.identity.custody import POLICIES, SIGN_IN, Custody, anonymous_caller, draws_on, user_owner
from doorward.identity.fresh import DATABASE_AWAY, Fresh
from doorward.identity.ports import KeyRow, KeyRows, SessionReader, Watcher

TOUCH_EVERY_S = 5.0

log = logging.getLogger("doorward.identity")


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    caller: Caller
    expires_at: float | None
    revoked_at: float | None
    owner_gone: bool


class Credentials:
    """Construct one per process; `run` belongs to the app's tasks."""

    def __init__(
        self,
        keys: KeyRows,
        sessions: SessionReader | None,
        clock: Clock,
        custody: Custody,
        *,
        keep_s: float = 4.0,
        watcher: Watcher | None = None,
        touch_every_s: float = TOUCH_EVERY_S,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._custody = custody
        self._only_ours = not POLICIES[custody].login
        self._known: Fresh[str, _Known] = Fresh(self._load, clock, keep_s=keep_s)
        self._watcher = watcher
        self._touch_every_s = touch_every_s
        self._used: dict[str, float] = {}
        self._decoy = secrets.token_bytes(32)
        self._anonymous = anonymous_caller()

    async def resolve(self, headers: Headers, *, sessions: bool = False, from_addr: str = "") -> Caller:
        """Who calls. `sessions`: a session cookie is accepted too (`/apps`, `/api/v1`).

        Raises `Unauthenticated` (nothing sent), `InvalidApiKey` (malformed, unknown, expired, revoked),
        `BadRequest` (two credentials), `Unavailable` (database away and the key is not known).
        """
        presented = presented_key(headers, only_ours=self._only_ours)
        if presented is None:
            return await self._without_key(headers, sessions=sessions)
        # Two identities in one request is how a page is made to act as somebody else: refuse, whichever is valid.
        if sessions and self._session_token(headers) is not None:
            raise BadRequest("A client key and a session cookie were sent together. Send one of them.")
        key = parse(presented)
        if key is None:
            raise InvalidApiKey(f"The credential is not a client key of this server. {USE}")
        known = self._known.peek(key.public_id)
        if known is None:
            known = await self._known.get(key.public_id)
        return self._admit(known, key.digest, from_addr)

    async def still_valid(self, caller: Caller) -> bool:
        """Whether an open stream of `caller` may go on (I9): asked again every few seconds."""
        if caller.key_id is not None:
            known = await self._known.get(caller.key_id)
            return known is not None and _refusal(known, self._clock.wall()) is None and known.caller.scopes >= caller.scopes
        if caller.session_id is not None and self._sessions is not None:
            now = await self._sessions.caller_by_id(caller.session_id)
            return now is not None and now.scopes >= caller.scopes
        return True

    async def standing(self, public_id: str) -> tuple[Caller, str | None] | None:
        """Who a call with this key would be, and why it would be refused now; nothing is presented, and no use is noted.

        For an admin's question (`what-if`): no request is let in by it.
        """
        known = await self._known.get(public_id)
        return None if known is None else (known.caller, _refusal(known, self._clock.wall()))

    def forget(self, public_id: str) -> None:
        """A key was changed by this process: read it again at its next use."""
        self._known.forget(public_id)

    async def run(self) -> None:
        """Write gathered uses until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(self._touch_every_s)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write when keys and sessions were last used. A database that is away costs only these figures' freshness."""
        used, self._used = self._used, {}
        try:
            if used:
                await self._keys.touch_many(used)
            if self._sessions is not None:
                await self._sessions.flush()
        except DATABASE_AWAY:
            self._used = {**used, **self._used}
            log.warning("last uses of %d client keys not written: the database does not answer", len(used))

    async def _without_key(self, headers: Headers, *, sessions: bool) -> Caller:
        if self._only_ours:
            return self._anonymous
        if not sessions:
            raise Unauthenticated(f"No client key was sent. {USE}")
        token = self._session_token(headers)
        caller = await self._sessions.caller(token) if token is not None and self._sessions is not None else None
        if caller is None:
            raise Unauthenticated(SIGN_IN)
        return caller

    def _session_token(self, headers: Headers) -> bytes | None:
        if self._sessions is None or self._only_ours:
            return None
        return cookie(headers, self._sessions.cookie_name) or None

    def _admit(self, known: _Known | None, digest: bytes, from_addr: str) -> Caller:
        # A miss does the work of a hit, and says the same: the public id of a key is no oracle.
        matches = hmac.compare_digest(known.digest if known is not None else self._decoy, digest)
        if known is None or not matches:
            raise InvalidApiKey("This client key is not known here. Check it, or make a new one.")
        now = self._clock.wall()
        if refusal := _refusal(known, now):
            raise InvalidApiKey(refusal)
        caller = known.caller
        self._used[caller.key_id or ""] = now
        if self._watcher is not None:
            self._watcher.saw(caller, from_addr)
        return caller

    async def _load(self, public_id: str) -> _Known | None:
        row = await self._keys.by_public_id(public_id)
        if row is None:
            return None
        return _Known(
            digest=row.digest,
            caller=self._caller_of(row),
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            owner_gone=row.owner_user_id is not None and row.owner_role is None,
        )

    def _caller_of(self, row: KeyRow) -> Caller:
        user_id = row.owner_user_id
        scopes = frozenset(row.scopes)
        if user_id is not None and row.owner_role != "admin":
            scopes = scopes - {"admin"}  # a key's powers never exceed its owner's
        return Caller(
            owner=owner_of(row),
            draws_on=draws_on(self._custody, user_id),
            scopes=scopes,
            role=row.owner_role,
            user_id=user_id,
            key_id=row.public_id,
            purse=row.lineage,
            label=row.label,
            models=row.models,
            adapters=row.adapters,
            limits=row.limits,
            content_days=row.content_days,
        )


def _refusal(known: _Known, now: float) -> str | None:
    """Why a key that was presented rightly is refused; `None`: it is not."""
    if known.revoked_at is not None and known.revoked_at <= now:
        return "This client key was revoked. Make a new one."
    if known.expires_at is not None and known.expires_at <= now:
        return "This client key has expired. Make a new one, or ask for it to be rotated."
    if known.owner_gone:
        return "This client key's owner no longer exists. Ask an admin for a new key."
    return None


def owner_of(row: KeyRow) -> str:
    """Whose objects the key's calls make (R14b)."""
    if row.owner_user_id is not None:
        return user_owner(row.owner_user_id)
    return f"share:{row.share_as}" if row.share_as else f"key:{row.public_id}"

"""What the reader of credentials needs of others: stored keys, sessions, and somebody to tell of each use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from doorward.core.caller import Caller, KeyLimits, Role, Scope


class KeyRow(Protocol):
    """What a stored client key says. Times are unix seconds."""

    @property
    def public_id(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def lineage(self) -> str | None: ...
    @property
    def label(self) -> str: ...
    @property
    def owner_user_id(self) -> str | None: ...
    @property
    def owner_role(self) -> Role | None:
        """The owner's role now; `None`: no owner, or the user is gone."""

    @property
    def share_as(self) -> str | None: ...
    @property
    def scopes(self) -> Collection[Scope]: ...
    @property
    def models(self) -> tuple[str, ...] | None: ...
    @property
    def adapters(self) -> tuple[str, ...] | None: ...
    @property
    def limits(self) -> KeyLimits: ...
    @property
    def content_days(self) -> int | None: ...
    @property
    def expires_at(self) -> float | None: ...
    @property
    def revoked_at(self) -> float | None: ...


class KeyRows(Protocol):
    """The part of `store.client_keys.ClientKeys` that is needed here."""

    async def by_public_id(self, public_id: str, /) -> KeyRow | None: ...
    async def touch_many(self, used_at: Mapping[str, float], /) -> None: ...


class SessionReader(Protocol):
    """The part of `identity.sessions.Sessions` that is needed here."""

    @property
    def cookie_name(self) -> bytes: ...
    async def caller(self, token: bytes) -> Caller | None:
        """Who is signed in by this cookie; `None`: nobody, or no longer."""

    async def caller_by_id(self, session_id: str) -> Caller | None:
        """The same by the session's id, for streams that are already open."""

    async def flush(self) -> None:
        """Write when each session was last seen."""


class Watcher(Protocol):
    """Told of every use of a key; raises alarms (audit.unusual)."""

    def saw(self, caller: Caller, from_addr: str) -> None: ...

"""Client keys are made here, shown once, and kept only as a hash (R14).

Both front doors of the operator use it. A key's powers never exceed its maker's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from doorward.core import client_key
from doorward.core.caller import NO_LIMITS, KeyLimits, Scope
from doorward.core.errors import Conflict, Forbidden, NotFound, Unprocessable
from doorward.core.secret import Secret
from doorward.edge.bounds import check_bounds
from doorward.store.client_keys import ClientKeys, KeyFields, KeyRow
from doorward.store.engine import Store

ALL_SCOPES: tuple[Scope, ...] = ("call", "me", "admin")
MOST_OVERLAP_S = 90 * 86400.0
MOST_CONTENT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new client key shall be. `expires_at` in unix seconds, `None` = never."""

    label: str
    scopes: tuple[Scope, ...] = ("call",)
    share_as: str | None = None
    models: tuple[str, ...] | None = None
    """Exact ids, or prefixes ending in ``*``; `None` = every model."""
    expires_at: float | None = None
    owner_user_id: str | None = None
    """`None`: the operator's key."""
    adapters: tuple[str, ...] | None = None
    limits: KeyLimits = NO_LIMITS
    content_days: int | None = None
    """Keep what is said in its calls for so many days, 1 to 90; `None`: keep none of it."""


class Keysmith:
    def __init__(self, store: Store, client_keys: ClientKeys) -> None:
        self._store = store
        self._client_keys = client_keys

    async def make(self, wish: Wish, maker: Collection[Scope]) -> tuple[KeyRow, Secret]:
        """A new key. Raises `Forbidden` when it would have a scope that its maker lacks, `Unprocessable` for wrong limits."""
        beyond = [scope for scope in wish.scopes if scope not in maker]
        if beyond:
            raise Forbidden(f"A key's scopes cannot exceed its maker's. Leave out {', '.join(beyond)}.")
        check_bounds(wish.limits)
        check_content_days(wish.content_days)
        async with self._store.writing() as connection:
            await self._must_be_ahead(wish.expires_at, await self._store.now_s(connection))
            public_id, whole, digest = client_key.make()
            row = KeyRow(
                public_id=public_id,
                digest=digest,
                label=wish.label,
                share_as=wish.share_as,
                scopes=wish.scopes,
                models=wish.models,
                expires_at=wish.expires_at,
                owner_user_id=wish.owner_user_id,
                adapters=wish.adapters,
                limits=wish.limits,
                content_days=wish.content_days,
            )
            return await self._client_keys.add(row, within=connection), whole

    async def change(self, public_id: str, fields: KeyFields) -> KeyRow:
        """Fields that are left out stay; `expires_at` `None`: it never ends, `content_days` `None`: nothing more is kept."""
        check_content_days(fields.get("content_days"))
        if "bounds" in fields:
            check_bounds(fields["bounds"])
        async with self._store.writing() as connection:
            if "expires_at" in fields:
                await self._must_be_ahead(fields["expires_at"], await self._store.now_s(connection))
            return await self._client_keys.change(public_id, within=connection, **fields)

    async def rotate(self, public_id: str, overlap_s: float, maker: Collection[Scope]) -> tuple[KeyRow, Secret]:
        """A successor with the same powers; the old key is good for `overlap_s` more seconds.

        Raises `NotFound`, `Conflict` for a key that is revoked or expired, `Forbidden` as `make`.
        """
        if not 0 <= overlap_s <= MOST_OVERLAP_S:
            raise Unprocessable(f"overlap_s must be between 0 and {MOST_OVERLAP_S:.0f} seconds.", param="overlap_s")
        async with self._store.writing() as connection:
            now_s = await self._store.now_s(connection)
            old = await self._client_keys.by_public_id(public_id)
            if old is None:
                raise NotFound("There is no such client key.")
            if not old.is_valid(now_s):
                raise Conflict("This key is revoked or has expired. Make a new one.")
            if any(scope not in maker for scope in old.scopes):
                raise Forbidden("A key's scopes cannot exceed its maker's. Rotate it with a key that has all of its scopes.")
            await self._client_keys.expire_at(public_id, now_s + overlap_s, within=connection)
            new_id, whole, digest = client_key.make()
            successor = replace(
                old, public_id=new_id, digest=digest, rotated_from=public_id, lineage=old.lineage or public_id, last_used_at=None
            )
            return await self._client_keys.add(successor, within=connection), whole

    async def purge(self, public_ids: Sequence[str]) -> None:
        """Delete keys, all or none. Raises `NotFound`, and then every one of them is still there."""
        async with self._store.writing() as connection:
            for public_id in public_ids:
                await self._client_keys.remove(public_id, within=connection)

    async def _must_be_ahead(self, expires_at: float | None, now_s: float) -> None:
        if expires_at is not None and expires_at <= now_s:
            raise Unprocessable("expires_at lies in the past. Give a time to come, in unix seconds.", param="expires_at")


def check_content_days(days: int | None) -> None:
    """Raises `Unprocessable`."""
    if days is not None and not 1 <= days <= MOST_CONTENT_DAYS:
        raise Unprocessable(f"Content is kept for 1 to {MOST_CONTENT_DAYS} days, or not at all.", param="log_content_days")

"""Client key rows (R14): only a hash of the key. Found by public id; who may use them is `identity.credentials`' question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from sqlalchemy import Row, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import NO_LIMITS, KeyLimits, Role, Scope
from doorward.core.errors import Conflict, NotFound
from doorward.store import lists
from doorward.store.call_limits import BOUNDS
from doorward.store.engine import Store
from doorward.store.tables.columns import database_now
from doorward.store.tables.doors import client_keys
from doorward.store.tables.identity import users


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Times are unix seconds. `digest` is SHA-256 of the whole key."""

    public_id: str
    digest: bytes
    label: str
    owner_user_id: str | None = None
    """`None`: the operator's key."""
    share_as: str | None = None
    scopes: tuple[Scope, ...] = ("call",)
    models: tuple[str, ...] | None = None
    adapters: tuple[str, ...] | None = None
    limits: KeyLimits = NO_LIMITS
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    rotated_from: str | None = None
    """The public id of the key that this one replaces."""
    lineage: str | None = None
    """The public id of the first key in a chain of rotations: the chain shares one budget. `None`: this is the first."""
    content_days: int | None = None
    """What is said in its calls is kept for so many days; `None`: it is not kept."""
    created_at: float = 0.0
    """The database's, once stored."""
    owner_role: Role | None = None
    """The owner's role now, `None`: no owner, or no longer; read by `by_public_id` alone, in its one query."""

    def is_valid(self, now_s: float) -> bool:
        """`now_s` in unix seconds."""
        return self.revoked_at is None and (self.expires_at is None or now_s < self.expires_at)


class KeyFields(TypedDict, total=False):
    """What may be changed; powers (scopes, models, adapters) never are: make another key."""

    label: str
    expires_at: float | None
    content_days: int | None
    bounds: KeyLimits
    """In place of its limits on calls; a budget in it is not looked at."""


KeyRows = list[KeyRow]

_BY_PUBLIC_ID = (
    select(client_keys, users.c.role.label("owner_role"))
    .outerjoin(users, users.c.id == client_keys.c.owner_user_id)
    .where(client_keys.c.public_id == bindparam("wanted"))
)


class ClientKeys:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def by_public_id(self, public_id: str) -> KeyRow | None:
        """Also revoked and expired ones: the reader of credentials says which it was."""
        async with self._store.reading() as connection:
            row = (await connection.execute(_BY_PUBLIC_ID, {"wanted": public_id})).one_or_none()
            return replace(_key(row), owner_role=row.owner_role) if row else None

    async def list(self, owner_user_id: str | None = None) -> KeyRows:
        """Newest first; `None` = everybody's."""
        statement = select(client_keys).order_by(client_keys.c.created_at.desc(), client_keys.c.public_id)
        if owner_user_id is not None:
            statement = statement.where(client_keys.c.owner_user_id == owner_user_id)
        async with self._store.reading() as connection:
            return [_key(row) for row in await connection.execute(statement)]

    async def owners(self, user_ids: Iterable[str]) -> dict[str, str]:
        """User id -> e-mail address, of users that still exist."""
        wanted = set(user_ids)
        if not wanted:
            return {}
        async with self._store.reading() as connection:
            rows = await connection.execute(select(users.c.id, users.c.email).where(users.c.id.in_(wanted)))
            return {row.id: row.email for row in rows}

    async def add(self, key: KeyRow, within: AsyncConnection | None = None) -> KeyRow:
        values = {
            "public_id": key.public_id,
            "digest": key.digest,
            "label": key.label,
            "owner_user_id": key.owner_user_id,
            "share_as": key.share_as,
            "scopes": lists.written(key.scopes),
            "models": lists.written_if(key.models),
            "adapters": lists.written_if(key.adapters),
            **{name: getattr(key.limits, name) for name in KeyLimits.__slots__},
            "expires_at": key.expires_at,
            "rotated_from": key.rotated_from,
            "lineage": key.lineage,
            "content_days": key.content_days,
        }
        async with self._store.writing(within) as connection:
            try:
                row = (await connection.execute(client_keys.insert().values(values).returning(client_keys))).one()
            except IntegrityError:
                raise Conflict("A client key with this id exists already. Create another") from None
            self._store.touched(f"key:{key.public_id}")
            return _key(row)

    async def revoke(self, public_id: str, owner_user_id: str | None = None, within: AsyncConnection | None = None) -> KeyRow:
        """Once: a second call leaves the first time. With `owner_user_id` only that user's key is found."""
        revoked = func.coalesce(client_keys.c.revoked_at, database_now())
        return await self._update(public_id, owner_user_id, within, {"revoked_at": revoked})

    async def revoke_of_user(self, user_id: str, within: AsyncConnection | None = None) -> int:
        """All keys of a user who leaves -> how many were still valid."""
        async with self._store.writing(within) as connection:
            result = await connection.execute(
                update(client_keys)
                .where(client_keys.c.owner_user_id == user_id, client_keys.c.revoked_at.is_(None))
                .values(revoked_at=database_now())
            )
            return result.rowcount

    async def expire_at(
        self, public_id: str, when: float, owner_user_id: str | None = None, within: AsyncConnection | None = None
    ) -> KeyRow:
        """End the old key's overlap at `when`; an earlier end stays."""
        sooner = func.min if self._store.dialect == "sqlite" else func.least
        expires = sooner(func.coalesce(client_keys.c.expires_at, when), when)
        return await self._update(public_id, owner_user_id, within, {"expires_at": expires})

    async def change(self, public_id: str, within: AsyncConnection | None = None, **fields: Unpack[KeyFields]) -> KeyRow:
        values: dict[str, Any] = {"public_id": public_id, **fields}
        bounds = fields.get("bounds")
        if bounds is not None:
            del values["bounds"]
            values |= {name: getattr(bounds, name) for name in BOUNDS}
        return await self._update(public_id, None, within, values)

    async def remove(self, public_id: str, within: AsyncConnection | None = None) -> None:
        """The row and with it the hash: afterwards the key was never one of ours."""
        async with self._store.writing(within) as connection:
            result = await connection.execute(delete(client_keys).where(client_keys.c.public_id == public_id))
            if result.rowcount == 0:
                raise NotFound(f"There is no client key {public_id!r}")
            self._store.touched(f"key:{public_id}")

    async def touch_many(self, used: Mapping[str, float]) -> None:
        """Public id -> when it was last used; one transaction, and an older time never overwrites a newer."""
        if not used:
            return
        before = or_(client_keys.c.last_used_at.is_(None), client_keys.c.last_used_at < bindparam("when"))
        statement = update(client_keys).where(client_keys.c.public_id == bindparam("used"), before)
        async with self._store.writing() as connection:
            await connection.execute(
                statement.values(last_used_at=bindparam("when")), [{"used": key, "when": when} for key, when in used.items()]
            )

    async def _update(
        self, public_id: str, owner_user_id: str | None, within: AsyncConnection | None, values: dict[str, Any]
    ) -> KeyRow:
        statement = update(client_keys).where(client_keys.c.public_id == public_id).values(values).returning(client_keys)
        if owner_user_id is not None:
            statement = statement.where(client_keys.c.owner_user_id == owner_user_id)
        async with self._store.writing(within) as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                raise NotFound(f"There is no client key {public_id!r}")
            self._store.touched(f"key:{public_id}")
            return _key(row)


def _scopes(items: Iterable[str]) -> tuple[Scope, ...]:
    # a scope that this program does not know gives no right
    known: tuple[Scope, ...] = ("call", "me", "admin")
    return tuple(scope for scope in known if scope in items)


def _key(row: Row[Any]) -> KeyRow:
    limits = KeyLimits(row.rpm, row.rpd, row.tpm, row.tpd, row.concurrency, row.budget_nanos, row.budget_period)
    return KeyRow(
        public_id=row.public_id,
        digest=row.digest,
        label=row.label,
        owner_user_id=row.owner_user_id,
        share_as=row.share_as,
        scopes=_scopes(lists.read(row.scopes)),
        models=lists.read_if(row.models),
        adapters=lists.read_if(row.adapters),
        limits=NO_LIMITS if limits == NO_LIMITS else limits,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        rotated_from=row.rotated_from,
        lineage=row.lineage,
        content_days=row.content_days,
        created_at=row.created_at,
    )

"""Account rows (R17): whose key at which provider. The key itself is the vault's, under `secret_name(id)`.

Every method that serves a request takes the owner it acts for; `None` is the operator looking at all.
"""

from __future__ import annotations

import secrets
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Row, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import OPERATOR
from doorward.core.errors import Conflict, NotFound
from doorward.providers.provider import Account
from doorward.store.engine import Store
from doorward.store.tables.doors import accounts, providers


def secret_name(account_id: str) -> str:
    """The name of an account's key in the vault."""
    return f"account:{account_id}"


class AccountTraits(TypedDict, total=False):
    """What an account may have beside its label."""

    weight: int
    quota_owner: str | None
    organization: str | None
    project: str | None
    is_active: bool


class AccountFields(AccountTraits, total=False):
    """What may be changed; an account stays with its provider and its owner."""

    label: str


class Accounts:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[Account]:
        """Everybody's, in the order of adding: for the relay's snapshot and the operator."""
        return await self._select(accounts.c.id.is_not(None))

    async def of_owner(self, owner: str, provider_id: str | None = None) -> list[Account]:
        mine = accounts.c.owner == owner
        return await self._select(mine if provider_id is None else and_(mine, accounts.c.provider_id == provider_id))

    async def get(self, account_id: str, owner: str | None = None) -> Account | None:
        found = await self._select(_one(account_id, owner))
        return found[0] if found else None

    async def add(
        self,
        provider_id: str,
        label: str,
        owner: str = OPERATOR,
        within: AsyncConnection | None = None,
        **traits: Unpack[AccountTraits],
    ) -> Account:
        """Raises `NotFound` for an unknown provider, `Conflict` when this owner has the label there already."""
        account_id = "acc_" + secrets.token_hex(10)
        async with self._store.writing(within) as connection:
            if (await connection.execute(select(providers.c.id).where(providers.c.id == provider_id))).first() is None:
                raise NotFound(f"There is no provider {provider_id!r}. Add it first", param="provider_id")
            statement = (
                accounts.insert()
                .values(**{"id": account_id, "provider_id": provider_id, "owner": owner, "label": label, **traits})
                .returning(accounts)
            )
            try:
                row = (await connection.execute(statement)).one()
            except IntegrityError:
                raise _label_taken(label) from None
            self._store.touched(f"account:{account_id}")
            return _account(row)

    async def change(
        self, account_id: str, owner: str | None = None, within: AsyncConnection | None = None, **fields: Unpack[AccountFields]
    ) -> Account:
        return await self._update(account_id, owner, within, {**fields})

    async def remove(self, account_id: str, owner: str | None = None, within: AsyncConnection | None = None) -> None:
        """The row alone: forget `secret_name(account_id)` in the same transaction."""
        async with self._store.writing(within) as connection:
            result = await connection.execute(delete(accounts).where(_one(account_id, owner)))
            if result.rowcount == 0:
                raise _unknown(account_id)
            self._store.touched(f"account:{account_id}")

    async def mark_key_set(self, account_id: str, when: float | None, within: AsyncConnection | None = None) -> Account:
        """`when` in unix seconds, `None` = the key was cleared. A new key ends a quarantine: it has refused nobody yet."""
        values = {"key_set_at": when, "quarantined_at": None, "quarantine_reason": None}
        return await self._update(account_id, None, within, values)

    async def quarantine(
        self, account_id: str, when: float, reason: str, key_set_at: float | None, within: AsyncConnection | None = None
    ) -> bool:
        """The upstream refused the key that was set at `key_set_at` -> whether that is still the key, and now rests."""
        async with self._store.writing(within) as connection:
            same_key = accounts.c.key_set_at.is_not_distinct_from(key_set_at)
            result = await connection.execute(
                update(accounts)
                .where(accounts.c.id == account_id, same_key, accounts.c.quarantined_at.is_(None))
                .values(quarantined_at=when, quarantine_reason=reason)
            )
            return result.rowcount == 1

    async def release(self, account_id: str, within: AsyncConnection | None = None) -> Account:
        """End a quarantine by hand, or after a test that worked."""
        return await self._update(account_id, None, within, {"quarantined_at": None, "quarantine_reason": None})

    async def _select(self, condition: ColumnElement[bool]) -> list[Account]:
        async with self._store.reading() as connection:
            rows = await connection.execute(select(accounts).where(condition).order_by(accounts.c.created_at, accounts.c.id))
            return [_account(row) for row in rows]

    async def _update(self, account_id: str, owner: str | None, within: AsyncConnection | None, values: dict[str, Any]) -> Account:
        async with self._store.writing(within) as connection:
            statement = update(accounts).where(_one(account_id, owner)).values(id=account_id, **values).returning(accounts)
            try:
                row = (await connection.execute(statement)).one_or_none()
            except IntegrityError:
                raise _label_taken(str(values.get("label"))) from None
            if row is None:
                raise _unknown(account_id)
            self._store.touched(f"account:{account_id}")
            return _account(row)


def _one(account_id: str, owner: str | None) -> ColumnElement[bool]:
    one = accounts.c.id == account_id
    return one if owner is None else and_(one, accounts.c.owner == owner)


def _unknown(account_id: str) -> NotFound:
    return NotFound(f"There is no account {account_id!r}")


def _label_taken(label: str) -> Conflict:
    return Conflict(f"There is an account labelled {label!r} on this provider already. Choose another label", param="label")


def _account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        provider_id=row.provider_id,
        label=row.label,
        owner=row.owner,
        weight=row.weight,
        quota_owner=row.quota_owner,
        organization=row.organization,
        project=row.project,
        is_active=row.is_active,
        key_set_at=row.key_set_at,
        quarantined_at=row.quarantined_at,
        quarantine_reason=row.quarantine_reason,
    )

"""Upstream keys go in, are replaced, and go: the account's row and its sealed key always in one transaction.

Both front doors of the operator use it, the control plane and the command line. It holds the
deposit-only face of the vault: nothing here can open a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import OPERATOR
from doorward.core.errors import NotFound
from doorward.core.secret import Secret
from doorward.providers.catalog import OPENAI
from doorward.providers.key_shape import checked
from doorward.providers.provider import Account, Provider
from doorward.store.accounts import Accounts, AccountTraits, secret_name
from doorward.store.engine import Store
from doorward.store.providers import Providers


class Deposit(Protocol):
    """The face of the vault that takes in and forgets. It has no way to open anything."""

    async def put(self, name: str, secret: Secret, conn: AsyncConnection | None = None) -> float:
        """Seal and store -> when, in unix seconds."""

    async def forget(self, name: str, conn: AsyncConnection | None = None) -> bool:
        """-> whether there was one."""


class Custodian:
    """`openai_base_url` replaces that provider's own (R54): behind another address keys have other shapes."""

    def __init__(
        self, store: Store, providers: Providers, accounts: Accounts, deposit: Deposit, openai_base_url: str | None = None
    ) -> None:
        self._store = store
        self._providers = providers
        self._accounts = accounts
        self._deposit = deposit
        self._openai_base_url = openai_base_url

    async def fit(self, provider_id: str, key: Secret) -> Secret:
        """The key as it will be sent there, white space cut. Raises `NotFound`, `Unprocessable` (R11)."""
        return checked(key, await self._provider(provider_id))

    async def take_in(
        self, provider_id: str, label: str, key: Secret, traits: AccountTraits | None = None, *, owner: str = OPERATOR
    ) -> Account:
        """A new account with its key. Raises `NotFound`, `Conflict`, `Unprocessable`; then nothing was written."""
        fit = await self.fit(provider_id, key)
        async with self._store.writing() as connection:
            account = await self._accounts.add(provider_id, label, owner, within=connection, **(traits or AccountTraits()))
            return await self._seal(account.id, fit, connection)

    async def replace_key(
        self, account_id: str, key: Secret, fields: AccountTraits | None = None, *, owner: str | None = None
    ) -> Account:
        """Another key for an account, together with other changes. `owner`: only that owner's account is found."""
        account = await self._accounts.get(account_id, owner)
        if account is None:
            raise NotFound("There is no such account.")
        fit = await self.fit(account.provider_id, key)
        async with self._store.writing() as connection:
            if fields:
                await self._accounts.change(account_id, owner, within=connection, **fields)
            return await self._seal(account_id, fit, connection)

    async def let_go(self, account_ids: Sequence[str], *, owner: str | None = None) -> None:
        """Accounts and their keys, all or none. Raises `NotFound`, and then every one of them is still there."""
        async with self._store.writing() as connection:
            for account_id in account_ids:
                await self._accounts.remove(account_id, owner, within=connection)
                await self._deposit.forget(secret_name(account_id), connection)

    async def _seal(self, account_id: str, key: Secret, connection: AsyncConnection) -> Account:
        set_at = await self._deposit.put(secret_name(account_id), key, connection)
        return await self._accounts.mark_key_set(account_id, set_at, within=connection)

    async def _provider(self, provider_id: str) -> Provider:
        provider = await self._providers.get(provider_id)
        if provider is None:
            raise NotFound("There is no such provider. Add it first.", param="provider_id")
        if provider_id == OPENAI and self._openai_base_url:
            return replace(provider, base_url=self._openai_base_url)
        return provider

"""Opens what one command works on: settings, database, vault and repositories. A running server is not needed.

def work(house): …          the command's own part, async
within(work)                opens, works, closes; the event loop begins and ends here
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from doorward.cli import config
from doorward.cli.record import recorded
from doorward.core.clock import SystemClock
from doorward.core.errors import NotFound
from doorward.core.secret import Secret
from doorward.edge.custodian import Custodian
from doorward.edge.keysmith import Keysmith
from doorward.providers.provider import Account, Provider
from doorward.settings import Settings
from doorward.store.accounts import Accounts
from doorward.store.client_keys import ClientKeys, KeyRow
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.vault.opening import open_vault
from doorward.vault.vault import Vault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class House:
    settings: Settings
    store: Store
    vault: Vault
    providers: Providers
    accounts: Accounts
    client_keys: ClientKeys
    custodian: Custodian
    keysmith: Keysmith

    async def provider(self, provider_id: str) -> Provider:
        found = await self.providers.get(provider_id)
        if found is None:
            raise NotFound("There is no such provider. doorward provider list shows them.")
        return found

    async def account(self, account_id: str) -> Account:
        found = await self.accounts.get(account_id)
        if found is None:
            raise NotFound("There is no such account. doorward account list shows them.")
        return found

    async def key(self, key_id: str) -> KeyRow:
        found = await self.client_keys.by_public_id(key_id)
        if found is None:
            raise NotFound("There is no such client key. doorward key list shows them.")
        return found


def within(work: Callable[[House], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with opened(config.read()) as house:
            with recorded(house.store, work):
                return await work(house)

    return asyncio.run(whole())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Raises `StoreError` and `VaultError`, which say what is wrong with the data directory or the master key."""
    store = await Store.open(settings.url)
    try:
        vault, _ = await open_vault(
            store,
            value=Secret(settings.master_key.get_secret_value()) if settings.master_key else None,
            file=settings.master_key_file,
            data_dir=settings.data_dir,
            clock=SystemClock(),
            cache_s=0.0,
        )
        providers, accounts, client_keys = Providers(store), Accounts(store), ClientKeys(store)
        custodian = Custodian(store, providers, accounts, vault.deposit(), settings.openai_base_url)
        yield House(settings, store, vault, providers, accounts, client_keys, custodian, Keysmith(store, client_keys))
    finally:
        await store.close()

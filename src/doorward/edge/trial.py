"""Trying an account: what its key can do now. One call that costs nothing; only our own words come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, NotFound
from doorward.relay.catalogue import Catalogue
from doorward.relay.model_fetch import ModelFetch
from doorward.store.accounts import Accounts


@dataclass(frozen=True, slots=True)
class Tried:
    ok: bool
    status: int | None
    """The upstream's HTTP status; `None`: no answer came."""
    says: str
    """One sentence of ours; never a word of the upstream's, which might quote the key."""
    models: Sequence[str] = ()
    took_s: float = 0.0


class Trial:
    def __init__(self, catalogue: Catalogue, accounts: Accounts, fetch: ModelFetch, clock: Clock) -> None:
        self._catalogue = catalogue
        self._accounts = accounts
        self._fetch = fetch
        self._clock = clock

    async def try_account(self, account_id: str) -> Tried:
        """Raises `NotFound`. A key that works ends its account's quarantine."""
        await self._catalogue.refresh()  # the account may have been made a moment ago
        catalog = self._catalogue.now()
        account = catalog.accounts.get(account_id)
        if account is None:
            raise NotFound("There is no such account.")
        provider = catalog.providers.get(account.provider_id)
        if provider is None:
            return Tried(False, None, f"Its provider {account.provider_id} is switched off.")
        began_s = self._clock.monotonic()
        try:
            status, says, models = await self._fetch.try_account(provider, account)
        except DoorwardError as error:  # no key is stored, or it cannot be sent: an answer to the question, too
            return Tried(False, None, error.message)
        if status == 200 and account.quarantined_at is not None:
            await self._accounts.release(account_id)
            await self._catalogue.changed()
        return Tried(status == 200, status, says, models, self._clock.monotonic() - began_s)

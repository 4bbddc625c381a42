"""Accounts whose key an upstream refused (401, R17): written down, so that every process leaves them alone and people see it.

A quarantine ends when the key is set anew, when the account is tested and works, or when it is switched on by hand. One
odd 401 must not end an only account for good: what the operator's quarantined keys can do is asked every `CHECK_S`, by a
list of models, which is never billed. Users are told to set their key again, and theirs are not asked about.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from doorward.core.caller import OPERATOR
from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, StoreError
from doorward.providers.provider import Account
from doorward.relay.catalogue import Catalogue
from doorward.relay.model_fetch import ModelFetch
from doorward.store.accounts import Accounts
from doorward.telemetry.logs import named
from doorward.upstream.health import QUARANTINE_S, Health

CHECK_S = QUARANTINE_S
LOOK_S = 5.0
"""How often it is looked whether something is due, or is still to be written because the database was away."""

log = named(__name__)


class Quarantine:
    """`run` belongs to the app's tasks."""

    def __init__(
        self,
        accounts: Accounts,
        catalogue: Catalogue,
        health: Health,
        fetch: ModelFetch,
        clock: Clock,
        *,
        check_s: float = CHECK_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._accounts = accounts
        self._catalogue = catalogue
        self._health = health
        self._fetch = fetch
        self._clock = clock
        self._check_s = check_s
        self._look_s = look_s
        self._met: dict[str, Account] = {}
        """Refused here, and not written down yet: `Health` keeps them out of this process meanwhile."""
        self._due_s: dict[str, float] = {}
        """Account -> when it is asked about next, monotonic."""
        self._news = asyncio.Event()
        health.on_refused = self.met
        health.stored = self.stored

    def met(self, account: Account) -> None:
        self._met[account.id] = account
        self._news.set()

    def stored(self) -> Iterator[tuple[str, float]]:
        """Quarantined accounts by the snapshot, and in how many seconds each is asked about."""
        now_s = self._clock.monotonic()
        for account in self._quarantined():
            yield account.id, max(0.0, self._due_s.get(account.id, now_s + self._check_s) - now_s)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._write()
                await self._check()
            except StoreError as cause:
                log.warning("quarantine_not_written", cause=type(cause).__name__)

    async def _write(self) -> None:
        for account in list(self._met.values()):
            reason = f"{account.provider_id} refused the key (401)"
            if await self._accounts.quarantine(account.id, self._clock.wall(), reason, account.key_set_at):
                log.warning("account_quarantined", account=account.id, provider=account.provider_id)
            await self._catalogue.changed()
            del self._met[account.id]
            known = self._catalogue.now().accounts.get(account.id)
            if known is None or known.quarantined_at is not None or known.key_set_at != account.key_set_at:
                self._health.release(account.id)  # the snapshot says it from now on

    async def _check(self) -> None:
        now_s = self._clock.monotonic()
        due = {account.id: account for account in self._quarantined() if account.owner == OPERATOR}
        self._due_s = {id: self._due_s.get(id, now_s + self._check_s) for id in due}
        for account in due.values():
            if now_s < self._due_s[account.id]:
                continue
            self._due_s[account.id] = now_s + self._check_s
            if await self._works(account):
                await self._accounts.release(account.id)
                await self._catalogue.changed()
                log.info("account_released", account=account.id, provider=account.provider_id)

    async def _works(self, account: Account) -> bool:
        provider = self._catalogue.now().providers.get(account.provider_id)
        if provider is None:
            return False
        try:
            status, _, _ = await self._fetch.try_account(provider, account)
        except DoorwardError:  # no key is stored, or it cannot be sent
            return False
        return status == 200

    def _quarantined(self) -> list[Account]:
        accounts = self._catalogue.now().accounts.values()
        return [account for account in accounts if account.quarantined_at is not None and account.is_active]

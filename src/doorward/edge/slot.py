"""The slot for one OpenAI key: a user's own, or the one that everybody shares (R1, R2, R5, R6).

It is the owner's account labelled `default` at provider `openai`. Row, sealed key and audit row are
one transaction; whose slot it is comes from the caller's identity and from nothing that they send.
"""

from __future__ import annotations

from doorward.audit.chain import Audit
from doorward.core.caller import Caller
from doorward.core.errors import Conflict, Unprocessable
from doorward.core.secret import Secret
from doorward.edge.custodian import Custodian, Deposit
from doorward.identity.custody import SLOT_LABEL, SLOT_PROVIDER
from doorward.providers.provider import Account
from doorward.store.accounts import Accounts, secret_name
from doorward.store.engine import Store


class Slot:
    def __init__(self, store: Store, custodian: Custodian, accounts: Accounts, deposit: Deposit, audit: Audit) -> None:
        self._store = store
        self._custodian = custodian
        self._accounts = accounts
        self._deposit = deposit
        self._audit = audit

    async def is_filled(self, owner: str) -> bool:
        """Whether the owner has an active account with a key at `openai` (R1's `configured`)."""
        mine = await self._accounts.of_owner(owner, SLOT_PROVIDER)
        return any(account.is_active and account.key_set_at is not None for account in mine)

    async def fill(self, owner: str, key: Secret, caller: Caller, from_addr: str) -> None:
        """Set or replace. Raises `Unprocessable` for what cannot be a key; then nothing was written."""
        try:
            fit = await self._custodian.fit(SLOT_PROVIDER, key)
        except Unprocessable as refused:
            raise Unprocessable(refused.message, param="key") from None
        try:
            await self._write(owner, fit, caller, from_addr)
        except Conflict:  # somebody filled it for the first time in the same moment: replace theirs
            await self._write(owner, fit, caller, from_addr)

    async def empty(self, owner: str, caller: Caller, from_addr: str) -> None:
        """Forget every OpenAI key of the owner. With none there is nothing to do."""
        mine = await self._accounts.of_owner(owner, SLOT_PROVIDER)
        async with self._store.writing() as connection:
            for account in mine:
                await self._deposit.forget(secret_name(account.id), connection)
                await self._accounts.remove(account.id, owner, within=connection)
                await self._audit.append(caller, "key.clear", f"account:{account.id}", from_addr=from_addr, within=connection)

    async def _write(self, owner: str, key: Secret, caller: Caller, from_addr: str) -> None:
        account = await self._default(owner)
        async with self._store.writing() as connection:
            if account is None:
                account = await self._accounts.add(SLOT_PROVIDER, SLOT_LABEL, owner, within=connection)
            else:
                await self._accounts.change(account.id, owner, within=connection, is_active=True)
            when = await self._deposit.put(secret_name(account.id), key, connection)
            await self._accounts.mark_key_set(account.id, when, within=connection)
            await self._audit.append(caller, "key.set", f"account:{account.id}", from_addr=from_addr, within=connection)

    async def _default(self, owner: str) -> Account | None:
        mine = await self._accounts.of_owner(owner, SLOT_PROVIDER)
        return next((account for account in mine if account.label == SLOT_LABEL), None)

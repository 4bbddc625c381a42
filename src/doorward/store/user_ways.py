"""How users come in, and whether they have a key of their own at a provider: for the list of users."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select

from doorward.store.engine import Store
from doorward.store.tables.doors import accounts
from doorward.store.tables.identity import external_identities, passkeys


@dataclass(frozen=True, slots=True)
class Ways:
    """User ids."""

    passkey: frozenset[str]
    oidc: frozenset[str]
    with_key: frozenset[str]
    """They have stored a key of their own."""


class UserWays:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, user_ids: Collection[str]) -> Ways:
        """Which of these users have which."""
        owners = {f"user:{user_id}": user_id for user_id in user_ids}
        own_keys = select(accounts.c.owner).where(accounts.c.owner.in_(owners), accounts.c.key_set_at.is_not(None))
        async with self._store.reading() as connection:
            by_passkey = await connection.execute(select(passkeys.c.user_id).where(passkeys.c.user_id.in_(user_ids)))
            outside = select(external_identities.c.user_id).where(external_identities.c.user_id.in_(user_ids))
            by_oidc = await connection.execute(outside)
            keyed = await connection.execute(own_keys)
            return Ways(
                frozenset(row[0] for row in by_passkey),
                frozenset(row[0] for row in by_oidc),
                frozenset(owners[row[0]] for row in keyed),
            )

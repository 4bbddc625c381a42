"""The one door to stored keys: `put` seals, `use` opens.

`use` opens fresh at every call. What may be kept for a moment is the sealed row, with the cipher of
its data key, never what it holds. Rooms that only store keys get `deposit()`: it has no way to open one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.clock import Clock
from doorward.core.errors import KeyNotConfigured, NotFound, StoreError, Unprocessable
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.sealed import Sealed, SealedRow
from doorward.vault.key_ring import KeyRing
from doorward.vault.seal import Unwrapped, seal, unseal

AWAY_S = 60.0
"""How long a sealed row may be kept while the database is away (R9)."""
_PATIENCE_S = 1.0
"""A database that says nothing for so long counts as away for the moment."""
_MOST_KEPT = 10_000


@dataclass(slots=True)
class _Kept:
    row: SealedRow
    read_at: float
    fresh_until: float
    """Both monotonic seconds."""
    unwrapped: Unwrapped | None = None
    """Made when the row is first used, and gone with it."""


class Vault:
    """`cache_s` (≤ 5) is how long a sealed row is kept; other processes' changes show after it."""

    def __init__(self, store: Store, ring: KeyRing, clock: Clock, cache_s: float) -> None:
        self._store = store
        self._sealed = Sealed(store)
        self._notes = Notes(store)
        self._ring = ring
        self._monotonic = clock.monotonic
        self._cache_s = min(cache_s, 5.0)
        self._kept: dict[str, _Kept] = {}
        self._reads: dict[str, asyncio.Task[SealedRow]] = {}

    async def use(self, name: str) -> Secret:
        """Open the secret, for one attempt. Raises `KeyNotConfigured`, `VaultError`, `StoreError`."""
        kept = self._kept.get(name)
        if kept is None or self._monotonic() >= kept.fresh_until:
            row = await self._current_row(name)
            kept = self._kept.get(name)
            if kept is None or kept.row is not row:  # not to be kept, or replaced meanwhile
                return unseal(row.envelope, name, row.version, self._ring.find(row.master_key_id))
        if kept.unwrapped is None:
            row = kept.row
            kept.unwrapped = Unwrapped(row.envelope, name, row.version, self._ring.find(row.master_key_id))
        return kept.unwrapped.open()

    async def put(self, name: str, secret: Secret, conn: AsyncConnection | None = None) -> float:
        """Seal and store, in place of what the name had -> when, in unix seconds. `conn`: as part of that transaction."""
        if not secret:
            raise Unprocessable("The key is empty. Send the key that the provider gave you")
        async with self._store.writing(conn) as connection:
            key = await self._ring.current(self._notes, connection)
            version = await self._sealed.next_version(name, connection)
            set_at = await self._store.now_s(connection)
            row = SealedRow(name, version, seal(secret, name, version, key), key.id, set_at)
            await self._sealed.put(row, connection)
            self._store.after_commit(connection, partial(self._evict, name))
        return set_at

    async def forget(self, name: str, conn: AsyncConnection | None = None) -> bool:
        """-> whether there was one."""
        async with self._store.writing(conn) as connection:
            self._store.after_commit(connection, partial(self._evict, name))
            return bool(await self._sealed.forget([name], connection))

    async def purge(self, names: Sequence[str], conn: AsyncConnection | None = None) -> None:
        """Forget all of them, or none: a name that is not there is a `NotFound`, and the others stay."""
        async with self._store.writing(conn) as connection:
            gone = await self._sealed.forget(list(names), connection)
            if missing := sorted(set(names) - gone):
                raise NotFound(f"Nothing was purged: no key is stored under {', '.join(missing)}")
            for name in names:
                self._store.after_commit(connection, partial(self._evict, name))

    async def set_at(self, name: str) -> float | None:
        """Unix seconds, `None` = no key is stored."""
        row = await self._sealed.get(name)
        return row.set_at if row else None

    def deposit(self) -> Deposit:
        # closures, not bound methods: from a bound method `use` is one `__self__` away
        async def put(name: str, secret: Secret, conn: AsyncConnection | None) -> float:
            return await self.put(name, secret, conn)

        async def forget(name: str, conn: AsyncConnection | None) -> bool:
            return await self.forget(name, conn)

        async def set_at(name: str) -> float | None:
            return await self.set_at(name)

        return Deposit(put, forget, set_at)

    async def _current_row(self, name: str) -> SealedRow:
        task = self._reads.get(name)
        if task is None:
            # one read for all the calls that ask now; it belongs to none of them, so none can cancel it
            task = self._reads[name] = asyncio.create_task(self._read(name))
            # those who asked may all have gone, or be content with the kept row
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        kept = self._kept.get(name)
        if kept is None or self._monotonic() - kept.read_at >= AWAY_S:
            return await asyncio.shield(task)
        await asyncio.wait({task}, timeout=_PATIENCE_S)
        if task.done() and not isinstance(task.exception(), StoreError):
            return task.result()
        kept.fresh_until = min(self._monotonic() + _PATIENCE_S, kept.read_at + AWAY_S)
        return kept.row

    async def _read(self, name: str) -> SealedRow:
        asked_at = self._monotonic()
        this = asyncio.current_task()
        try:
            row = await self._sealed.get(name)
            # after an eviction this read may have seen the old row: it is good for those who asked, not to keep
            if self._reads.get(name) is this:
                self._keep(name, row, asked_at)
        finally:
            if self._reads.get(name) is this:
                del self._reads[name]
        if row is None:
            raise KeyNotConfigured("No key is stored for this account. Set one first")
        return row

    def _keep(self, name: str, row: SealedRow | None, asked_at: float) -> None:
        if row is None:
            self._kept.pop(name, None)
            return
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[name] = _Kept(row, asked_at, asked_at + self._cache_s)

    def let_go(self, name: str) -> None:
        """Do not keep its sealed row in memory: it is large, or will not be asked for soon."""
        self._evict(name)

    def _evict(self, name: str) -> None:
        self._kept.pop(name, None)
        self._reads.pop(name, None)


class Deposit:
    """The vault's slot: keys go in, a time comes out. The control plane holds this and nothing else of the vault."""

    __slots__ = ("_forget", "_put", "_set_at")

    def __init__(
        self,
        put: Callable[[str, Secret, AsyncConnection | None], Awaitable[float]],
        forget: Callable[[str, AsyncConnection | None], Awaitable[bool]],
        set_at: Callable[[str], Awaitable[float | None]],
    ) -> None:
        self._put = put
        self._forget = forget
        self._set_at = set_at

    async def put(self, name: str, secret: Secret, conn: AsyncConnection | None = None) -> float:
        """As `Vault.put`."""
        return await self._put(name, secret, conn)

    async def forget(self, name: str, conn: AsyncConnection | None = None) -> bool:
        """As `Vault.forget`."""
        return await self._forget(name, conn)

    async def set_at(self, name: str) -> float | None:
        """As `Vault.set_at`."""
        return await self._set_at(name)

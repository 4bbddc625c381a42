"""Answers kept for their `Idempotency-Key`: sealed, for 24 hours, in the database that all processes share."""

from __future__ import annotations

import asyncio

from doorward.core.errors import DoorwardError, KeyNotConfigured
from doorward.core.secret import Secret
from doorward.relay.recording import Recording, unpacked
from doorward.store.engine import Store
from doorward.store.idempotent_calls import Claim, IdempotentCalls
from doorward.telemetry.logs import named
from doorward.vault.vault import Vault

KEEP_S = 86_400.0
SWEEP_EVERY_S = 600.0

log = named(__name__)


class Idempotency:
    """`running_s`: how long a claim stands whose process may have died; the longest that a call may take."""

    def __init__(self, store: Store, vault: Vault, *, running_s: float, keep_s: float = KEEP_S) -> None:
        self._store = store
        self._calls = IdempotentCalls(store)
        self._vault = vault
        self._running_s = running_s
        self._keep_s = keep_s

    async def claim(self, name: str, fingerprint: str) -> Claim:
        """A claim that is interrupted is given back: its client has gone, and nobody else is to wait for it."""
        claiming = asyncio.ensure_future(self._calls.claim(name, fingerprint, self._running_s))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if (await claiming).is_mine:
                await self.free(name)
            raise

    async def keep(self, name: str, answer: Recording) -> None:
        async with self._store.writing() as connection:
            await self._vault.put(_sealed_name(name), Secret(answer.packed()), conn=connection)
            await self._calls.done(name, self._keep_s, within=connection)

    async def answer(self, name: str) -> Recording | None:
        """`None`: it is not there any more, or another version's."""
        try:
            return unpacked((await self._vault.use(_sealed_name(name))).reveal())
        except KeyNotConfigured:
            return None
        finally:
            self._vault.let_go(_sealed_name(name))

    async def free(self, name: str) -> None:
        await self._calls.free(name)

    async def run(self) -> None:
        """Remove what is older than it may be kept. Belongs to the app's tasks."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
            except DoorwardError as cause:
                log.warning("kept_answers_not_swept", cause=cause.code)

    async def sweep(self) -> int:
        async with self._store.writing() as connection:
            names = await self._calls.expired(connection)
            for name in names:
                await self._vault.forget(_sealed_name(name), conn=connection)
        return len(names)


def _sealed_name(name: str) -> str:
    return f"shared_call:{name}"

"""The catalogue in force: read from the database at start, again every `refresh_s`, and at once when a route of ours changed it.

While the database is away the last snapshot stays in force.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from doorward.core.errors import StoreError
from doorward.providers.catalog import OPENAI, Catalog, Fallback
from doorward.providers.provider import Provider
from doorward.store.accounts import Accounts
from doorward.store.call_limits import CallLimits
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.store.routes import Aliases, Routes
from doorward.telemetry.logs import named

log = named(__name__)


class Catalogue:
    """`now()` is the snapshot. `openai_base_url` replaces that provider's own (R54)."""

    def __init__(self, store: Store, refresh_s: float, openai_base_url: str | None = None, allow_private: bool = False) -> None:
        self._providers = Providers(store)
        self._accounts = Accounts(store)
        self._routes = Routes(store)
        self._aliases = Aliases(store)
        self._limits = CallLimits(store)
        self._refresh_s = refresh_s
        self._openai_base_url = openai_base_url
        self._allow_private = allow_private
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._snapshot = Catalog()
        self.loaded = False

    def now(self) -> Catalog:
        return self._snapshot

    async def changed(self) -> None:
        """A row was written by this process: its next call goes by it (R9). A database that is away is read at the next turn."""
        try:
            await self.refresh()
        except StoreError as cause:
            log.warning("catalogue_not_read", cause=type(cause).__name__)

    async def refresh(self) -> None:
        # One at a time: a slow reading that began before a change must not come last and bring the old rows back.
        async with self._one_at_a_time:
            await self._read()

    async def _read(self) -> None:
        self._snapshot = Catalog(
            providers=[self._as_set(provider) for provider in await self._providers.all()],
            accounts=await self._accounts.all(),
            aliases=await self._aliases.all(),
            fallbacks=[
                Fallback(rule.match, rule.fallbacks, rule.first_event_timeout_s, rule.idle_timeout_s, rule.rescue)
                for rule in await self._routes.all()
            ],
            limits=await self._limits.all(),
        )
        self.loaded = True

    def _as_set(self, provider: Provider) -> Provider:
        if provider.id == OPENAI and self._openai_base_url:
            provider = replace(provider, base_url=self._openai_base_url)
        return replace(provider, allow_private=True) if self._allow_private else provider

    async def start(self) -> None:
        await self.refresh()
        self._task = asyncio.create_task(self._keep(), name="catalogue")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.refresh()
            except Exception as cause:  # the last good snapshot stays; a database that is away must not end this task  # noqa: BLE001
                log.warning("catalogue_not_read", cause=type(cause).__name__)

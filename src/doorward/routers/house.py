"""A Doorward inside somebody else's process: store, vault, ledger, budgets and relay, opened once, closed with the host.

It is put together from the same floors as the server (`assembly`), without its doors and its sign-in:
who calls is the host's word. The laws about keys and money hold here because it is the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Unpack

from sqlalchemy.exc import DBAPIError

from doorward.apps.apps import Apps
from doorward.apps.ask import AskOf
from doorward.assembly.apps import open_apps
from doorward.assembly.ground import lay
from doorward.assembly.running import Running
from doorward.assembly.traffic import open_road
from doorward.audit.chain import Audit
from doorward.core.clock import SystemClock
from doorward.core.errors import DoorwardError, StoreError, Unavailable
from doorward.edge.protocol_ids import new_request_id
from doorward.edge.slot import Slot
from doorward.identity.credentials import Credentials
from doorward.identity.custody import Custody, require_startable
from doorward.routers.options import Options, settings_of
from doorward.telemetry.logs import named
from doorward.vault.no_dumps import forbid_dumps

log = named("doorward.routers")

_OWN_DATABASE = (
    "Give Doorward a database of its own, or on PostgreSQL a user whose search_path is a schema of its own: "
    "its tables must not meet yours"
)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the routers' endpoints use. There is no vault among it."""

    slot: Slot
    refresh: Callable[[], Awaitable[None]]
    """Read again which accounts there are: after it, a key that was set or cleared is felt by the next call."""
    credentials: Credentials
    """Reads client keys; the host's users have none."""
    apps: Apps
    ask_of: AskOf


class House:
    """Opened by the host's lifespan or the first request; several routers may share one.

    Opening switches core dumps off for the whole process: opened keys pass through its memory.
    """

    def __init__(self, custody: Custody, **options: Unpack[Options]) -> None:
        """Raises `BadRequest` that names the option; custody `anonymous` needs a spend cap."""
        self.settings = settings_of(custody, options)
        # The address is the host's to choose: visitors from afar are looked at one by one.
        has_cap = self.settings.spend_cap_usd is not None
        require_startable(custody, self.settings.host, allow_public=True, has_spend_cap=has_cap)
        self.custody = custody
        self._rooms: Rooms | None = None
        self._running = Running()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> Rooms:
        """Raises what a start raises, `StoreError`, `VaultError`, `PricesError`: each says what to do."""
        if self._rooms is not None and self._loop is asyncio.get_running_loop():
            return self._rooms
        async with self._turn:
            if self._rooms is None:
                self._running, self._loop = Running(), asyncio.get_running_loop()
                try:
                    self._rooms = await self._build()
                except BaseException:
                    await self._running.stop()
                    raise
        if self._loop is not asyncio.get_running_loop():
            raise Unavailable(
                "Doorward was opened in another event loop and is still open there. In tests, keep one loop for all requests: "
                "with TestClient(app) as client."
            )
        return self._rooms

    async def rooms(self) -> Rooms:
        """For a request: what is wrong with the set-up is for the log, not for visitors."""
        if self._rooms is not None:
            return await self.open()
        try:
            return await self.open()
        except DoorwardError as error:
            log.error("doorward_not_opened", why=error.message)  # noqa: TRY400  # the message is the whole story
        raise Unavailable("OpenAI is not available here at the moment. The operator's log says why.")

    async def close(self) -> None:
        """Settle, and leave everything in order. A request after it opens it again."""
        async with self._turn:
            if self._rooms is not None:
                self._rooms = None
                await self._running.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """As FastAPI's `lifespan`. The routers bring it along; a host needs it only to open the house earlier."""
        await self.open()
        try:
            yield
        finally:
            await self.close()

    async def _build(self) -> Rooms:
        forbid_dumps()
        settings, clock, running = self.settings, SystemClock(), self._running
        try:
            ground = await lay(settings, clock, running)
        except StoreError as error:
            if isinstance(error.__cause__, DBAPIError) or "newer Doorward" in error.message:
                raise StoreError(f"{error.message}. {_OWN_DATABASE}") from error
            raise
        traffic = await open_road(settings, clock, new_request_id(), ground, running)
        credentials = Credentials(ground.client_keys, None, clock, self.custody, keep_s=settings.key_cache_s)
        running.keep(credentials.run(), "last uses")
        room = open_apps(settings, clock, ground, traffic, running)
        room.work(settings, clock, ground, credentials, running)
        slot = Slot(ground.store, ground.custodian, ground.accounts, ground.vault.deposit(), Audit(ground.store))
        return Rooms(slot, ground.catalogue.refresh, credentials, room.apps, room.ask_of)

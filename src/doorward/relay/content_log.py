"""What is said in calls, kept for those keys alone whose owner switched that on: sealed, for the key's own number of days.

A call of any other key pays one comparison. Pages wait in memory for their call to be settled and are written by a
task of their own, so no call waits for it; while the database is away they wait up to a bound, and then the oldest go.
It is a convenience and no book: a process that is killed loses the pages of its last second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from doorward.core.caller import Caller
from doorward.core.errors import DoorwardError, KeyNotConfigured
from doorward.core.exchange import Exchange
from doorward.core.secret import Secret
from doorward.ledger.entry import Entry
from doorward.relay.content_page import ContentPage, Said
from doorward.store.call_contents import DAY_S, CallContents, ContentRow, sealed_name
from doorward.store.engine import Store
from doorward.telemetry.logs import named
from doorward.vault.vault import Vault
from doorward.wire.endpoints import Endpoint

GATHER_S = 0.2
RETRY_S = 1.0
SWEEP_EVERY_S = 3600.0
BATCH_PAGES = 20
MOST_WAITING = 128
"""Pages that wait to be written: at most 64 MiB of text."""

log = named(__name__)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Said).decode


@dataclass(frozen=True, slots=True)
class Content:
    """What a call said, and until when it is kept, in unix seconds."""

    request: str
    answer: str
    cut: bool
    expires_at: float


ContentOf = Callable[[str], Awaitable[Content | None]]
"""A call's opening -> what it said. All that the edge gets: from it no way leads to the vault."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    opening: str
    owner: str
    key_id: str
    page: ContentPage


class ContentLog:
    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._contents = CallContents(store)
        self._vault = vault
        self._waiting: deque[_Waiting] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    async def page(self, caller: Caller, exchange: Exchange, endpoint: Endpoint, entry: Entry) -> ContentPage:
        """Begin to listen; the page goes into the log by itself when the call is settled, however it ends."""
        page = ContentPage(entry.id, endpoint)
        await page.hears(exchange)

        def settled() -> None:
            # what was refused before anything was sent or answered has said nothing to anybody
            if page.has_answer or entry.attempts:
                if len(self._waiting) == MOST_WAITING:
                    log.warning("call_content_dropped", waiting=MOST_WAITING)
                self._waiting.append(_Waiting(entry.opening, caller.owner, caller.key_id or "", page))
                self._wake.set()

        entry.then = settled
        return page

    async def run(self) -> None:
        """Write what waits until cancelled, and once more then. Belongs to the app's tasks."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(GATHER_S)
                self._wake.clear()
                if not await self._written():
                    self._wake.set()
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._written()

    async def sweep_on(self) -> None:
        """Remove what is older than its key's days, every hour. Belongs to the app's tasks."""
        while True:
            try:
                await self.sweep()
            except DoorwardError as cause:
                log.warning("call_contents_not_swept", cause=cause.code)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _written(self) -> bool:
        try:
            await self.flush()
        except DoorwardError as cause:
            log.warning("call_contents_not_written", cause=cause.code)
            return False
        return True

    async def flush(self) -> None:
        """Raises `StoreError` and `VaultError`; what is not written still waits then."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(BATCH_PAGES, len(self._waiting)))]
                await self._write(batch)
                for one in batch:  # by identity: a full queue may have dropped some of them meanwhile
                    if self._waiting and self._waiting[0] is one:
                        self._waiting.popleft()

    async def _write(self, batch: list[_Waiting]) -> None:
        async with self._store.writing() as connection:
            now = await self._store.now_s(connection)
            days = await self._contents.days({one.key_id for one in batch}, connection)
            for one in batch:
                if one.key_id not in days:
                    continue
                said = one.page.said()
                expires_at = now + days[one.key_id] * DAY_S
                row = ContentRow(one.opening, one.page.call_id, one.owner, one.key_id, one.page.cut, expires_at)
                if await self._contents.add(row, connection):
                    await self._vault.put(sealed_name(one.opening), Secret(_pack(said)), conn=connection)

    def reader(self) -> ContentOf:
        # a closure, not a bound method: from a bound method the vault is one `__self__` away
        async def content_of(opening: str) -> Content | None:
            return await self._of(opening)

        return content_of

    async def _of(self, opening: str) -> Content | None:
        row = await self._contents.of(opening)
        if row is None:
            return None
        name = sealed_name(opening)
        try:
            said = _unpack((await self._vault.use(name)).reveal())
        except KeyNotConfigured:
            return None  # swept between the two reads
        finally:
            self._vault.let_go(name)
        return Content(said.request, said.answer, row.cut, row.expires_at)

    async def sweep(self) -> int:
        """-> how many were removed."""
        swept = 0
        while True:
            async with self._store.writing() as connection:
                openings = await self._contents.expired(connection, BATCH_PAGES * 10)
                for opening in openings:
                    await self._vault.forget(sealed_name(opening), conn=connection)
            swept += len(openings)
            if not openings:
                return swept

"""The ledger: one entry for each call, opened before anything is sent and settled once, however the call ends.

    async with ledger.entry(caller, exchange, endpoint) as entry:
        …                       rooms write into the entry what they decided
                                leaving settles it: success, refusal, client gone, upstream dead, server stopping

Settling is one write to the journal and does not wait, so nothing can interrupt it. Only an answer
that was cut has to be counted first, and that is waited for under a shield. The book moves the
rows into the database within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import msgspec

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import Unavailable
from doorward.core.exchange import Exchange
from doorward.core.money import Nanos
from doorward.ledger import replay
from doorward.ledger.book import Book, Shelf
from doorward.ledger.entry import Entry
from doorward.ledger.journal import Journal, Segment
from doorward.ledger.records import Held, Opened
from doorward.ledger.settlement import Moment, Prices, charge_unknown, clean, outcome_of, settle, tags_json
from doorward.ledger.tags import parse as parse_tags
from doorward.store.call_rows import CallRow, Settled
from doorward.telemetry.logs import named
from doorward.telemetry.rarely import Rarely
from doorward.wire.endpoints import Endpoint

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode

LOOK_FOR_ABANDONED_S = 5.0
"""How often a living process looks for journals of siblings that died."""
LAST_CALLS_S = 3.0
"""On stopping, calls that are just being settled are waited for this long. Those that stay open are the next start's."""
FOLLOWER_ROWS = 1000
"""Rows that wait for a slow `tail`; older ones are dropped for it."""

Replayed = Callable[[str, Sequence[Settled]], Awaitable[None]]
"""Told, after they are in the database, the rows of a process that died: (its start id, rows)."""


class Witness(Protocol):
    """Port to telemetry: told of each call as it is settled. Must not wait and must not raise."""

    def settled(self, settled: Settled, exchange: Exchange, dropped_events: int) -> None: ...
    def refused(self, endpoint: str, code: str) -> None: ...


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end even when the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as interruption:
            if task.cancelled():
                raise
            cancelled = interruption
    task.result()
    if cancelled is not None:
        raise cancelled


class Ledger:
    """`start_id` names this process's run; budgets' leases carry the same one."""

    def __init__(
        self,
        directory: Path,
        start_id: str,
        shelf: Shelf,
        prices: Prices,
        clock: Clock,
        *,
        sync_s: float = 1.0,
        replayed: Replayed | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.start_id = start_id
        self.journal = Journal(directory, start_id)
        self.book = Book(shelf, self.journal, clock)
        self._prices = prices
        self._clock = clock
        self._sync_s = sync_s
        self._replayed = replayed
        self._witness = witness
        self._followers: set[asyncio.Queue[CallRow]] = set()
        self._open = 0
        self._written: dict[str, Segment] = {}
        """Open calls that stand in the journal, by opening."""
        self._number = 0
        self._complain = Rarely(named(__name__), clock)
        self._tasks: list[asyncio.Task[None]] = []

    def entry(self, caller: Caller, exchange: Exchange, endpoint: Endpoint | str, tags: tuple[str, ...] | None = None) -> OpenEntry:
        """`tags`: `None` reads the call's `x-doorward-tags` header."""
        known = None if isinstance(endpoint, str) else endpoint
        entry = Entry(
            exchange.request_id,
            caller,
            exchange,
            endpoint if isinstance(endpoint, str) else endpoint.template,
            self._clock.monotonic(),
            self._clock.wall(),
            tags=parse_tags(exchange.header(b"x-doorward-tags")) if tags is None else tags,
        )
        entry.charge = lambda page, attempt: charge_unknown(page, attempt, known, self._prices)
        return OpenEntry(self, entry, known)

    def held(self, entry: Entry, nanos: int, *, leases: tuple[str, ...] = ()) -> None:
        """Write down the sum that budgets hold for this call, before anything is sent. Raises `Unavailable`."""
        plan = entry.route.first if entry.route is not None and entry.route.plans else None
        account = plan.account.id if plan is not None and plan.account is not None else None
        provider_id, model = (plan.provider.id, plan.model) if plan is not None else (None, None)
        record = _encode(Held(entry.opening, nanos, provider_id, account, model, leases))
        segment = self._written.get(entry.opening)
        if segment is None:
            self._written[entry.opening] = self.journal.opened(_encode(self._opened(entry)), record)
        else:
            self.journal.held(segment, record)
        entry.held = Nanos(nanos)

    def begin(self, entry: Entry) -> None:
        """Write the opening of a call that is about to be sent, unless its hold has done so. Raises `Unavailable`."""
        if entry.opening not in self._written:
            self._written[entry.opening] = self.journal.opened(_encode(self._opened(entry)))

    @property
    def open_calls(self) -> int:
        return self._open

    def _open_page(self, entry: Entry) -> None:
        """In memory: the journal hears of a call when something is held or sent for it, and not of those that are refused."""
        self._number += 1
        self._open += 1
        entry.opening = f"{self.start_id}-{self._number}"
        entry.begin = self.begin

    def _opened(self, entry: Entry) -> Opened:
        caller, exchange = entry.caller, entry.exchange
        return Opened(
            entry.opening,
            entry.id,
            self.start_id,
            caller.owner,
            caller.key_id,
            caller.label,
            caller.user_id,
            entry.endpoint,
            tags_json(entry.tags),
            exchange.asks.stream,
            clean(exchange.asks.model),
            entry.wall_s,
            exchange.body.size,
        )

    def _settle(self, entry: Entry, endpoint: Endpoint | None, error: BaseException | None) -> None:
        self._open -= 1
        segment = self._written.pop(entry.opening, None)
        now = Moment(self._clock.monotonic(), self._clock.wall())
        if error is None and not entry.attempts and entry.cache == "off":
            # answered by ourselves, like the list of models: no upstream call, no row
            self._close(segment, entry)
            return
        outcome = outcome_of(entry, error)
        if outcome == "refused":
            code = getattr(error, "code", "refused")
            if self._witness is not None:
                self._witness.refused(entry.endpoint, code)
            if not self.book.refused(entry, code):
                self._close(segment, entry)
                return
        settled = settle(entry, self.start_id, endpoint, self._prices, error, outcome, now)
        in_journal = True
        try:
            if segment is None:  # nothing was held or sent: a hit of the cache, a sample of refusals
                segment = self.journal.opened(_encode(self._opened(entry)))
            self.journal.settled(segment, _encode(settled))
        except (OSError, Unavailable) as broken:
            # the space was reserved, so the disk itself is broken, or it is full and this is a refusal that reserved none:
            # the row goes to the database from memory
            in_journal = False
            self._complain.error("journal_unwritable", request_id=entry.id, cause=_why(broken), rows="kept in memory")
        self.book.add(settled, segment, in_journal=in_journal)
        if self._witness is not None:
            self._witness.settled(settled, entry.exchange, sum([attempt.dropped_events for attempt in entry.attempts]))
        for queue in self._followers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(settled.call)

    def _close(self, segment: Segment | None, entry: Entry) -> None:
        if segment is not None:
            self.journal.closed(segment, entry.opening)

    async def start(self) -> None:
        """Open the journal and start moving rows. What dead processes left is settled in the background, at once."""
        self.journal.open()
        self._tasks = [
            asyncio.create_task(self.book.run(), name="ledger book"),
            asyncio.create_task(self._sync(), name="ledger sync"),
            asyncio.create_task(self._look_for_abandoned(), name="ledger replay"),
        ]

    async def stop(self) -> None:
        """After the last call: move what is left. What cannot be moved stays in the journal for the next start."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + LAST_CALLS_S
        while self._open and loop.time() < until_s:  # noqa: ASYNC110 - once a process: no event for it in each call
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.book.finish()
        self.journal.close()

    async def subscribe(self) -> AsyncIterator[CallRow]:
        """Settled calls as they happen, for `doorward tail`; a reader that is too slow misses the oldest."""
        queue: asyncio.Queue[CallRow] = asyncio.Queue(FOLLOWER_ROWS)
        self._followers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._followers.discard(queue)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self._sync_s)
            try:
                await asyncio.to_thread(self.journal.tend)
            except OSError as broken:
                self._complain.error("journal_not_synced", cause=_why(broken))

    async def _look_for_abandoned(self) -> None:
        while True:
            try:
                await self.replay_abandoned()
            except Exception:  # noqa: BLE001 - the task outlives whatever the database raises; it is reported
                # the files stay; a database that is away is the usual cause
                _log.exception("journals of earlier processes could not be replayed yet")
                await asyncio.sleep(1.0)
                continue
            await asyncio.sleep(LOOK_FOR_ABANDONED_S)

    async def replay_abandoned(self) -> int:
        """Settle what dead processes left -> the number of rows written."""
        written = 0
        for path in await asyncio.to_thread(replay.abandoned, self.journal.directory):
            with contextlib.ExitStack() as stack:
                found = await asyncio.to_thread(stack.enter_context, replay.claim(path))
                if found is None:
                    continue
                rows = found.rows(self._clock.wall())
                written += await self.book.absorb(rows)
                if self._replayed is not None and rows:
                    await self._replayed(rows[0].call.process, rows)
                found.done()
        return written


def _why(broken: BaseException) -> str:
    """The system's own words: what stands between them and us helps nobody who has to free a disk."""
    cause = broken if isinstance(broken, OSError) else broken.__cause__
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else type(broken).__name__


class OpenEntry:
    """The block in which a call lives. Hand-written, because every call passes here."""

    __slots__ = ("_endpoint", "_entry", "_ledger")

    def __init__(self, ledger: Ledger, entry: Entry, endpoint: Endpoint | None) -> None:
        self._ledger = ledger
        self._entry = entry
        self._endpoint = endpoint

    async def __aenter__(self) -> Entry:
        self._ledger._open_page(self._entry)
        return self._entry

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        entry = self._entry
        try:
            if not entry.is_metered:
                await unbroken(entry.metered())
        except Exception:  # noqa: BLE001 - the call is settled whatever counting does; it is reported
            _log.exception("the answer of call %s could not be counted: it is charged as an unknown outcome", entry.id)
        finally:
            self._ledger._settle(entry, self._endpoint, error)
            if entry.then is not None:
                entry.then()

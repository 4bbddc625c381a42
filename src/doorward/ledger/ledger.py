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
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec
from msgspec import Struct

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import LimitExceeded, Unavailable
from doorward.core.exchange import Exchange
from doorward.ledger.book import Book, Shelf
from doorward.ledger.closing import Closing
from doorward.ledger.entry import Attempt, Entry
from doorward.ledger.entry_records import ended_of, held_of, opened_of
from doorward.ledger.followers import Followers
from doorward.ledger.journal import SETTLING_BYTES, Journal, Segment
from doorward.ledger.keeping import Keeping, Replayed, said
from doorward.ledger.records import FRAME_BYTES, Held, Opened
from doorward.ledger.rows import bounded
from doorward.ledger.settlement import Prices, charge_unknown, outcome_of
from doorward.ledger.tags import parse as parse_tags
from doorward.ledger.unbroken import unbroken
from doorward.store.call_rows import CallRow, Settled
from doorward.telemetry.logs import named
from doorward.telemetry.rarely import Rarely
from doorward.wire.endpoints import Endpoint

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode

LAST_CALLS_S = 3.0
"""On stopping, calls that are just being settled are waited for this long. Those that stay open are the next start's."""


class Witness(Protocol):
    """Port to telemetry: told of each call as it is settled. Must not wait and must not raise."""

    def settled(self, rows: Callable[[], Settled], exchange: Exchange, dropped_events: int) -> None: ...
    def refused(self, endpoint: str, code: str) -> None: ...


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
        self._witness = witness
        self._followers = Followers()
        self._open = 0
        self._begun: dict[str, tuple[Opened, Segment]] = {}
        """Open calls that stand in the journal, by opening."""
        self._on_begin, self._charge = self.begin, self._charge_unknown
        self._number = 0
        self._complain = Rarely(named(__name__), clock)
        self._keeping = Keeping(self.journal, self.book, clock, self._complain, sync_s=sync_s, replayed=replayed)

    def entry(self, caller: Caller, exchange: Exchange, endpoint: Endpoint | str, tags: tuple[str, ...] | None = None) -> OpenEntry:
        """`tags`: `None` reads the call's `x-doorward-tags` header."""
        if tags is None:
            given = exchange.header(b"x-doorward-tags")
            tags = parse_tags(given) if given is not None else ()
        known, name = (None, endpoint) if isinstance(endpoint, str) else (endpoint, endpoint.template)
        self._number += 1
        clock = self._clock
        entry = Entry(
            exchange.request_id,
            caller,
            exchange,
            name,
            clock.monotonic(),
            clock.wall(),
            f"{self.start_id}-{self._number}",
            known,
            tags=tags,
            begin=self._on_begin,
            charge=self._charge,
        )
        return OpenEntry(self, entry)

    def _charge_unknown(self, entry: Entry, attempt: Attempt) -> None:
        charge_unknown(entry, attempt, entry.known, self._prices)

    def held(self, entry: Entry, nanos: int) -> None:
        """Write down the sum that budgets hold for this call, before anything is sent. Raises `Unavailable`."""
        held = held_of(entry, nanos)
        begun = self._begun.get(entry.opening)
        if begun is None:
            self._begin(entry, held)
        else:
            self.journal.held(begun[1], _encode(held))
        entry.held = nanos

    def begin(self, entry: Entry) -> None:
        """Write the opening of a call that is about to be sent, unless its hold has done so. Raises `Unavailable`."""
        if entry.opening not in self._begun:
            self._begin(entry, None)

    @property
    def open_calls(self) -> int:
        return self._open

    def _begin(self, entry: Entry, held: Held | None) -> None:
        """The journal hears of a call when something is held or sent for it, and not of those that are refused."""
        opened = opened_of(entry, self.start_id, held)
        self._begun[entry.opening] = opened, self.journal.opened(_encode(opened))

    def _settle(self, entry: Entry, error: BaseException | None) -> None:
        self._open -= 1
        begun = self._begun.pop(entry.opening, None)
        attempts = entry.attempts
        if not attempts and error is None and entry.cache == "off":
            # answered by ourselves, like the list of models: no upstream call, no row
            self._close(begun, entry)
            return
        outcome = outcome_of(entry, error)
        if outcome == "refused":
            code = getattr(error, "code", "refused")
            if self._witness is not None:
                self._witness.refused(entry.endpoint, code)
            if not self.book.refused(entry, code):
                self._close(begun, entry)
                return
            if isinstance(error, LimitExceeded):
                entry.note("refused", says=error.message)
        opened, segment = begun if begun is not None else (opened_of(entry, self.start_id, None), None)
        ended = ended_of(entry, opened, outcome, error, self._clock)
        record = _encode(ended)
        if len(record) > SETTLING_BYTES - FRAME_BYTES:
            ended.facts = list(bounded(ended.facts))
            record = _encode(ended)
        in_journal = True
        try:
            if segment is None:  # nothing was held or sent: a hit of the cache, a sample of refusals
                segment = self.journal.opened(_encode(opened))
            self.journal.settled(segment, record)
        except (OSError, Unavailable) as broken:
            # the space was reserved, so the disk itself is broken, or it is full and this is a refusal that reserved none:
            # the row goes to the database from memory
            in_journal = False
            self._complain.error("journal_unwritable", request_id=entry.id, cause=said(broken), rows="kept in memory")
        closing = Closing(record, segment, ended.settled_at)
        self.book.add(closing, in_journal=in_journal)
        if self._witness is not None:
            dropped = 0
            for attempt in attempts:
                dropped += attempt.dropped_events
            self._witness.settled(closing.rows, entry.exchange, dropped)
        if self._followers.queues:
            self._followers.show(closing.rows().call)

    def _close(self, begun: tuple[Opened, Segment] | None, entry: Entry) -> None:
        if begun is not None:
            self.journal.closed(begun[1], entry.opening)

    async def start(self) -> None:
        """Open the journal and start moving rows. What dead processes left is settled in the background, at once."""
        self.journal.open()
        self._keeping.start()

    async def stop(self) -> None:
        """After the last call: move what is left. What cannot be moved stays in the journal for the next start."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + LAST_CALLS_S
        while self._open and loop.time() < until_s:  # noqa: ASYNC110 - once a process: no event for it in each call
            await asyncio.sleep(0.01)
        await self._keeping.stop()
        await self.book.finish()
        self.journal.close()

    def subscribe(self) -> AsyncIterator[CallRow]:
        """Settled calls as they happen."""
        return self._followers.calls()

    async def replay_abandoned(self) -> int:
        """Settle what dead processes left -> the number of rows written."""
        return await self._keeping.replay_abandoned()


class OpenEntry(Struct, eq=False):
    """The block in which a call lives. Hand-written, because every call passes here."""

    ledger: Ledger
    entry: Entry

    async def __aenter__(self) -> Entry:
        self.ledger._open += 1
        return self.entry

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        entry = self.entry
        try:
            if not entry.is_closed:
                await unbroken(entry.metered())
        except Exception:  # noqa: BLE001 - the call is settled whatever counting does; it is reported
            _log.exception("the answer of call %s could not be counted: it is charged as an unknown outcome", entry.id)
        finally:
            self.ledger._settle(entry, error)
            if entry.then is not None:
                entry.then()

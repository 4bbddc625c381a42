"""One call's hold on its budgets, from before it is sent until it is settled."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Protocol

from msgspec import Struct

from doorward.core.errors import BudgetExceeded
from doorward.core.exchange import Exchange
from doorward.core.money import usd_text
from doorward.ledger.demand import whole
from doorward.ledger.entry import Entry
from doorward.ledger.holds import Hold
from doorward.ledger.till import Purse, Share, Till, names_of
from doorward.ledger.unbroken import unbroken
from doorward.ledger.worst_case import WorstCase
from doorward.providers.route import Route

_log = logging.getLogger(__name__)


class Journal(Protocol):
    """Port to `ledger.ledger`: what is held is written down before anything is sent."""

    def held(self, entry: Entry, nanos: int) -> None: ...


class Unheld:
    """The hold of a call that no budget is for: one serves them all."""

    __slots__ = ()

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return


UNHELD = Unheld()


class Desk(Struct, eq=False):
    """What every hold of a process needs."""

    till: Till
    worst: WorstCase
    journal: Journal | None = None
    exceeded_total: int = 0
    """Bills above their hold. Each was booked in full."""


class Held(Struct, eq=False):
    """One call's hold. Hand-written, because every call passes here."""

    desk: Desk
    purse: Purse
    route: Route
    exchange: Exchange
    entry: Entry
    shares: list[Share] = []
    hold: Hold | None = None
    nanos: int = 0

    async def __aenter__(self) -> Held:
        desk, exchange = self.desk, self.exchange
        body = exchange.body.data or await whole(exchange)
        hold = desk.worst.bounded(self.route, exchange, body, self.entry.known)
        if not hold.nanos:
            return self
        share = desk.till.take(self.purse.pots, hold.nanos)
        if share is None:
            hold, share = await self._obtain(hold, body)
        self.hold = hold
        self._keep(share)
        entry = self.entry
        entry.cover = self.cover
        purse = self.purse
        names = purse.names if share.pots is purse.pots else names_of(share.pots)
        entry.facts.append(("hold", {"worst": hold, "of": names, "free": share.free}))
        return self

    async def _obtain(self, hold: Hold, body: bytes) -> tuple[Hold, Share]:
        desk, caps = self.desk, self.purse.caps
        try:
            return hold, await desk.till.obtain(lambda: desk.till.pots(caps), hold)
        except BudgetExceeded:
            exact = await desk.worst.counted(self.route, self.exchange, body)
            if exact is None or exact.nanos >= hold.nanos:
                raise
        return exact, await desk.till.obtain(lambda: desk.till.pots(caps), exact)

    def _keep(self, share: Share) -> None:
        """Nothing may be sent before this is in the journal."""
        desk, entry = self.desk, self.entry
        shares, nanos = [*self.shares, share], self.nanos + share.nanos
        if desk.journal is None:
            entry.held = nanos
        else:
            try:
                desk.journal.held(entry, nanos)
            except BaseException:
                desk.till.settle([share], 0)
                raise
        self.shares, self.nanos = shares, nanos

    async def more(self, nanos: int | None = None) -> None:
        """Hold for one attempt more: as much as for the first, or `nanos`. Raises `BudgetExceeded`."""
        if self.hold is None:
            return
        hold = Hold(self.hold.nanos if nanos is None else nanos, "a further attempt")
        pots = self.shares[0].pots  # of the period in which the call was admitted
        self._keep(await self.desk.till.obtain(lambda: pots, hold))
        self.entry.note("hold", worst=hold)

    async def cover(self, billed: int) -> bool:
        """Before a further attempt: `billed` ones may have been charged already. `False`: the budgets do not allow it."""
        try:
            while len(self.shares) <= billed:
                await self.more()
        except BudgetExceeded:
            return False
        return True

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shares = self.shares
        if not shares:
            return
        desk, entry = self.desk, self.entry
        try:
            if not entry.is_closed:
                await unbroken(entry.metered())
        except Exception:  # noqa: BLE001 - the hold is settled whatever counting does
            # the ledger reports it, and charges the hold; so do we
            _log.debug("call %s could not be metered", entry.id, exc_info=True)
        finally:
            cost = entry.cost if entry.attempts else 0
            if cost is None:
                known = sum(attempt.cost or 0 for attempt in entry.attempts)
                cost = max(known, self.nanos)
            if cost > self.nanos:
                desk.exceeded_total += 1
                _log.warning("call %s cost %s USD, more than the %s USD held", entry.id, usd_text(cost), usd_text(self.nanos))
            desk.till.settle(shares, cost)
            self.shares = []
            entry.cover = None  # it leads back here: a circle would wait for the collector

"""One call's hold on its budgets, from before it is sent until it is settled."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import Struct

from doorward.core.errors import BudgetExceeded
from doorward.core.exchange import Exchange
from doorward.core.money import Nanos, usd_text
from doorward.ledger.demand import whole
from doorward.ledger.entry import Entry
from doorward.ledger.holds import Hold
from doorward.ledger.ledger import unbroken
from doorward.ledger.pot import Lease, Pot
from doorward.providers.route import Route
from doorward.store.budgets import ALL, Cap
from doorward.store.leases import Refused
from doorward.store.periods import FOREVER_S, span

if TYPE_CHECKING:
    from doorward.ledger.budgets import Budgets

_log = logging.getLogger(__name__)


class Share(Struct, frozen=True, gc=False):
    """What one call holds on one lease."""

    pot: Pot
    lease: Lease
    nanos: int


class Held:
    """One call's hold. Hand-written, because every call passes here."""

    __slots__ = ("_budgets", "_caps", "_entry", "_exchange", "_hold", "_route", "_shares", "nanos")

    def __init__(self, budgets: Budgets, caps: list[Cap], route: Route, exchange: Exchange, entry: Entry) -> None:
        self._budgets = budgets
        self._caps = caps
        self._route = route
        self._exchange = exchange
        self._entry = entry
        self._shares: list[Share] = []
        self._hold: Hold | None = None
        self.nanos = 0

    async def __aenter__(self) -> Held:
        if not self._caps:
            return self
        budgets, exchange = self._budgets, self._exchange
        body = exchange.body.data or await whole(exchange)
        hold = budgets.worst.bounded(self._route, exchange, body)
        if not hold.nanos:
            return self
        shares = budgets.take(budgets.pots(self._caps), hold.nanos)
        if shares is None:
            hold, shares = await self._obtain(hold, body)
        self._hold = hold
        self._keep(shares, hold.nanos)
        self._entry.cover = self.cover
        self._entry.note("hold", nanos=hold.nanos, how=hold.how, budgets=len(shares))
        return self

    async def _obtain(self, hold: Hold, body: bytes) -> tuple[Hold, list[Share]]:
        budgets, caps = self._budgets, self._caps
        try:
            return hold, await budgets.obtain(lambda: budgets.pots(caps), hold)
        except BudgetExceeded:
            exact = await budgets.worst.counted(self._route, self._exchange, body)
            if exact is None or exact.nanos >= hold.nanos:
                raise
        return exact, await budgets.obtain(lambda: budgets.pots(caps), exact)

    def _keep(self, shares: list[Share], nanos: int) -> None:
        """Nothing may be sent before this is in the journal."""
        budgets, entry = self._budgets, self._entry
        self._shares += shares
        self.nanos += nanos
        if budgets.journal is None:
            entry.held = Nanos(self.nanos)
            return
        try:
            budgets.journal.held(entry, self.nanos, leases=tuple(share.lease.id for share in self._shares))
        except BaseException:
            budgets.settle(shares, 0, len(self._caps))
            self._shares = self._shares[: -len(shares)]
            self.nanos -= nanos
            raise

    async def more(self, nanos: int | None = None) -> None:
        """Hold for one attempt more: as much as for the first, or `nanos`. Raises `BudgetExceeded`."""
        if self._hold is None:
            return
        hold = self._hold if nanos is None else Hold(Nanos(nanos), "a further attempt")
        pots = [share.pot for share in self._shares[: len(self._caps)]]  # of the period in which the call was admitted
        shares = await self._budgets.obtain(lambda: pots, hold)
        self._keep(shares, hold.nanos)
        self._entry.note("hold", nanos=hold.nanos, how="a further attempt")

    async def cover(self, billed: int) -> bool:
        """Before a further attempt: `billed` ones may have been charged already. `False`: the budgets do not allow it."""
        try:
            while len(self._shares) // len(self._caps) <= billed:
                await self.more()
        except BudgetExceeded:
            return False
        return True

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._shares:
            return
        entry = self._entry
        try:
            if not entry.is_metered:
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
                self._budgets.hold_exceeded_total += 1
                _log.warning("call %s cost %s USD, more than the %s USD held", entry.id, usd_text(cost), usd_text(self.nanos))
            self._budgets.settle(self._shares, cost, len(self._caps))
            self._shares = []
            entry.cover = None  # it leads back here: a circle would wait for the collector


def exceeded(pot: Pot, hold: Hold, refused: Refused) -> BudgetExceeded:
    end = span(pot.period)[1]
    resets = f"It starts anew at {_moment(end)}." if end != FOREVER_S else "It never starts anew: ask for a higher one."
    used = f"{usd_text(refused.spent)} USD is spent and {usd_text(refused.leased)} USD held of {usd_text(pot.cap)} USD"
    need = f"this call may cost up to {usd_text(hold.nanos)} USD"
    smaller = " A lower output limit makes a call cheaper to hold." if refused.spent < pot.cap else ""
    return BudgetExceeded(f"The budget of {_spoken(pot.subject)} is used up: {used}, and {need}. {resets}{smaller}")


def _spoken(subject: str) -> str:
    if subject == ALL:
        return "everything together"
    kind, _, name = subject.partition(":")
    return f"{kind} {name}"


def _moment(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M UTC")

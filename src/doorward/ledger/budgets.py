"""Budgets: the worst case of a call is held before it is sent, and what it cost is settled on leaving (R33).

    async with budgets.hold(caller, route, exchange, entry) as held:
        …                   a further attempt of a rescue: `await held.more()`

A key's, a user's and the all-together budget are taken all or none, in memory, without a wait
between them. Only a pot that is too small asks the database, through `ledger.leases`. Settling is
in memory as well, so nothing can interrupt it. Redis holds no money.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from doorward.core.caller import Caller
from doorward.core.clock import Clock, SystemClock
from doorward.core.errors import Unavailable
from doorward.core.exchange import Exchange
from doorward.core.money import usd_text
from doorward.ledger.alerts import Alerts
from doorward.ledger.entry import Entry
from doorward.ledger.held import UNHELD, Desk, Held, Journal, Unheld
from doorward.ledger.holds import Bounds
from doorward.ledger.leases import Leasing
from doorward.ledger.pot import LeaseTimes, Pot
from doorward.ledger.till import Till
from doorward.ledger.worst_case import Counter, WorstCase
from doorward.providers.prices import Overrides, Prices
from doorward.providers.route import Route
from doorward.providers.tokens import count_input
from doorward.store.budgets import ALL, BudgetRows, Cap
from doorward.store.leases import Leases

_log = logging.getLogger(__name__)


class Budgets:
    """`process` is the ledger's start id; `home` names the journal directory that proves what this process spent.

    `is_gone(process)`: of this home, and each of its calls is in the book. `None`: charges of dead
    processes are not lowered here.
    """

    def __init__(
        self,
        rows: BudgetRows,
        leases: Leases,
        prices: Prices,
        process: str,
        *,
        home: str = "",
        is_gone: Callable[[str], bool] | None = None,
        spend_cap_nanos: int | None = None,
        bounds: Bounds | None = None,
        alerts: Alerts | None = None,
        overrides: Overrides | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
        times: LeaseTimes | None = None,
        refresh_s: float = 2.0,
        count: Counter = count_input,
    ) -> None:
        self.rows = rows
        self.prices = prices
        self.process = process
        self.worst = WorstCase(prices, bounds or Bounds(), count)
        self._leases = leases
        self._home = home
        self._is_gone = is_gone
        self._fixed = Cap(ALL, spend_cap_nanos, "ever") if spend_cap_nanos is not None else None
        self._alerts = alerts or Alerts(rows)
        self._overrides = overrides
        self._refresh_s = refresh_s
        self._tasks: list[asyncio.Task[None]] = []
        clock = clock or SystemClock()
        self.leasing = Leasing(leases, process, home, clock, times or LeaseTimes(), self._seen)
        self.till = Till(self.leasing, clock, self._shut)
        self.till.cap({ALL: self._fixed} if self._fixed else {})
        self.desk = Desk(self.till, self.worst, journal)

    @property
    def hold_exceeded_total(self) -> int:
        return self.desk.exceeded_total

    def hold(self, caller: Caller, route: Route, exchange: Exchange, entry: Entry) -> Held | Unheld:
        """Refuses with `BudgetExceeded`, `CostUnbounded`, or `Unavailable` when the database cannot say."""
        purse = self.till.purse_of(caller)
        return UNHELD if purse is None else Held(self.desk, purse, route, exchange, entry)

    def caps_of(self, caller: Caller) -> list[Cap]:
        """The budgets that a caller's calls count against."""
        return self.till.caps_of(caller)

    async def start(self) -> None:
        """Read budgets and the database's clock, then keep leases in the background. Raises `StoreError`."""
        await self.refresh()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.leasing.keep(), name="budgets: leases"),
            loop.create_task(self._again(self._refresh_s, self.refresh), name="budgets: caps"),
            loop.create_task(self._again(self.leasing.times.sweep, self.sweep), name="budgets: sweep"),
        ]

    async def stop(self) -> None:
        """After the last call: send home everything that is not held."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.till.stop()
        with contextlib.suppress(Unavailable):
            await self.leasing.tend(home=True)
        await self._alerts.close()

    async def _again(self, every_s: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()
            except Unavailable as away:
                _log.warning("budgets: %s", away.message)

    async def refresh(self) -> None:
        """Read users' and the all-together budget, own prices, and the database's clock."""
        if self._overrides is not None:
            await self.prices.refresh(self._overrides)
        caps = {cap.subject: cap for cap in await self.rows.caps()}
        if self._fixed is not None:
            caps[ALL] = self._fixed
        self.till.cap(caps)
        self.leasing.anchor(await self._leases.now_s())
        self._alerts.forget(set(self.leasing.pots))

    async def sweep(self) -> None:
        """Charge overdue leases; lower what dead processes of this home were charged to what their calls cost."""
        await self._leases.charges.expire()
        if self._is_gone is not None:
            for process in await self._leases.charges.dead(self._home, self.process):
                if self._is_gone(process):
                    given = await self._leases.charges.prove_dead(process)
                    _log.info("the journal of process %s proves what it spent: %s USD go back", process, usd_text(given))
        await self._leases.charges.forget()

    def _seen(self, pot: Pot) -> None:
        self._alerts.look(pot.subject, pot.period, pot.spent, pot.cap)

    def _shut(self, pot: Pot, spent: int) -> None:
        self._alerts.look(pot.subject, pot.period, spent, pot.cap, is_shut=True)

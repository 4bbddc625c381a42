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
from typing import Any, Protocol

from doorward.core.caller import Caller
from doorward.core.clock import Clock, SystemClock
from doorward.core.errors import Unavailable
from doorward.core.exchange import Exchange
from doorward.core.money import usd_text
from doorward.ledger.alerts import Alerts
from doorward.ledger.entry import Entry
from doorward.ledger.held import Held, Share, exceeded
from doorward.ledger.holds import Bounds, Hold
from doorward.ledger.leases import Leasing
from doorward.ledger.pot import LeaseTimes, Pot
from doorward.ledger.worst_case import Counter, WorstCase
from doorward.providers.prices import Overrides, Prices
from doorward.providers.route import Route
from doorward.providers.tokens import count_input
from doorward.store.budgets import ALL, BudgetRows, Cap, Period
from doorward.store.leases import Leases, Refused
from doorward.store.periods import FOREVER_S, name_at, span

_log = logging.getLogger(__name__)

WAIT_S = 5.0
"""Longest wait for the database before a call is refused with 503: budgets fail closed."""


class Journal(Protocol):
    """Port to `ledger.ledger`: what is held is written down before anything is sent."""

    def held(self, entry: Entry, nanos: int, *, leases: tuple[str, ...] = ()) -> None: ...


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
        self.clock = clock or SystemClock()
        self.journal = journal
        self.hold_exceeded_total = 0
        """Bills above their hold. Each was booked in full."""
        self._leases = leases
        self._home = home
        self._is_gone = is_gone
        self._fixed = Cap(ALL, spend_cap_nanos, "ever") if spend_cap_nanos is not None else None
        self._alerts = alerts or Alerts(rows)
        self._overrides = overrides
        self._refresh_s = refresh_s
        self._caps: dict[str, Cap] = {ALL: self._fixed} if self._fixed else {}
        self._key_caps: dict[str, Cap] = {}
        self._periods: dict[Period, tuple[str, float]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._growing: set[asyncio.Task[Refused | None]] = set()
        self.leasing = Leasing(leases, process, home, self.clock, times or LeaseTimes(), self._seen)

    # -- the request path

    def hold(self, caller: Caller, route: Route, exchange: Exchange, entry: Entry) -> Held:
        """Refuses with `BudgetExceeded`, `CostUnbounded`, or `Unavailable` when the database cannot say."""
        return Held(self, self.caps_of(caller), route, exchange, entry)

    def caps_of(self, caller: Caller) -> list[Cap]:
        """The budgets that a caller's calls count against."""
        caps = []
        limits = caller.limits
        if limits.budget_nanos is not None and caller.key_id is not None:
            caps.append(self._key_cap(caller.purse or caller.key_id, limits.budget_nanos, limits.budget_period or "ever"))
        if self._caps:
            if caller.user_id is not None and (cap := self._caps.get(f"user:{caller.user_id}")) is not None:
                caps.append(cap)
            if (cap := self._caps.get(ALL)) is not None:
                caps.append(cap)
        return caps

    def _key_cap(self, key_id: str, nanos: int, period: Period) -> Cap:
        known = self._key_caps.get(key_id)
        if known is None or known.nanos != nanos or known.period != period:
            if len(self._key_caps) > 10_000:
                self._key_caps.clear()
            known = self._key_caps[key_id] = Cap(f"key:{key_id}", nanos, period)
        return known

    def pot(self, cap: Cap) -> Pot:
        """The period that a call belongs to is the one in which it is admitted."""
        now = self.clock.monotonic()
        known = self._periods.get(cap.period)
        if known is None or now >= known[1]:
            known = self._periods[cap.period] = self._period(cap.period, now)
        pot = self.leasing.pots.get((cap.subject, known[0]))
        if pot is None:
            pot = self.leasing.pots[cap.subject, known[0]] = Pot(cap.subject, known[0], cap.nanos, known[1])
        if pot.cap != cap.nanos:
            pot.cap, pot.refused_until = cap.nanos, 0.0  # what was refused under the old cap may fit under the new
        return pot

    def _period(self, period: Period, now: float) -> tuple[str, float]:
        wall = self.leasing.wall()
        name = name_at(period, wall)
        end = span(name)[1]
        # looked at anew every few minutes: the database's clock is the one that counts
        return name, now + min(300.0, end - wall) if end != FOREVER_S else FOREVER_S

    def pots(self, caps: list[Cap]) -> list[Pot]:
        return [self.pot(cap) for cap in caps]

    def take(self, pots: list[Pot], nanos: int) -> list[Share] | None:
        """All or none, without a wait; `None`: some pot is too small."""
        now = self.clock.monotonic()
        for pot in pots:
            if not pot.has(nanos, now):
                return None
        shares = []
        for pot in pots:
            lease = pot.lease
            assert lease is not None  # `has` saw it
            lease.held += nanos
            lease.used_at = now
            shares.append(Share(pot, lease, nanos))
        return shares

    async def obtain(self, find: Callable[[], list[Pot]], hold: Hold) -> list[Share]:
        """`take`, leasing more where it is needed. Raises `BudgetExceeded`, `Unavailable`, `StoreError`."""
        began = self.clock.monotonic()
        asked = find()
        for pot in asked:
            pot.waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                while (shares := self.take(find(), hold.nanos)) is None:
                    for pot in find():
                        if pot.has(hold.nanos, self.clock.monotonic()):
                            continue
                        refused = await self._grow(pot, hold.nanos)
                        if refused is not None:
                            self._alerts.look(pot.subject, pot.period, refused.spent, pot.cap, is_shut=True)
                            raise exceeded(pot, hold, refused)
        except TimeoutError:
            for pot in find():
                # the database did answer: what came free meanwhile was taken by other calls of this crowd
                if pot.left is not None and pot.answered_at >= began:
                    raise exceeded(pot, hold, Refused(pot.spent, pot.cap - pot.spent - pot.left, self.leasing.wall())) from None
            raise Unavailable(
                "The budget could not be asked in time. Try again.", code="budget_unavailable", retry_after_s=1.0
            ) from None
        finally:
            for pot in asked:
                pot.waiting -= 1
        return shares

    async def _grow(self, pot: Pot, nanos: int) -> Refused | None:
        # shielded: a slice that was leased for a caller who left is not lost, it goes home when idle
        task = asyncio.ensure_future(self.leasing.grow(pot, nanos))
        self._growing.add(task)
        task.add_done_callback(self._grown)
        return await asyncio.shield(task)

    def _grown(self, task: asyncio.Task[Refused | None]) -> None:
        self._growing.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have left; the lease is marked uncertain

    def settle(self, shares: list[Share], cost: int, per_attempt: int) -> None:
        """Give the holds back and book what the call cost, in full, also what is above them.

        `shares` are `per_attempt` budgets for each attempt that was held. Each budget bears the
        whole cost once: its first share as much as was held there, its last one the rest.
        """
        now = self.clock.monotonic()
        if len(shares) == per_attempt:
            for share in shares:
                lease = share.lease
                lease.held -= share.nanos
                lease.total += cost
                lease.used_at = now
            return
        for first in range(per_attempt):
            rest = cost
            of_one_budget = shares[first::per_attempt]
            for share in of_one_budget:
                part = rest if share is of_one_budget[-1] else min(rest, share.nanos)
                rest -= part
                share.lease.held -= share.nanos
                share.lease.total += part
                share.lease.used_at = now

    # -- keeping

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
        await asyncio.gather(*self._tasks, *self._growing, return_exceptions=True)
        self._tasks = []
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
        self._caps = caps
        self.leasing.anchor(await self._leases.now_s())
        self._alerts.forget(set(self.leasing.pots))

    async def sweep(self) -> None:
        """Charge overdue leases; lower what dead processes of this home were charged to what their calls cost."""
        await self._leases.expire()
        if self._is_gone is not None:
            for process in await self._leases.dead(self._home, self.process):
                if self._is_gone(process):
                    given = await self._leases.prove_dead(process)
                    _log.info("the journal of process %s proves what it spent: %s USD go back", process, usd_text(given))
        await self._leases.forget()

    def _seen(self, pot: Pot) -> None:
        self._alerts.look(pot.subject, pot.period, pot.spent, pot.cap)

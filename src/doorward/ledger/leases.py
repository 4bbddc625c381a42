"""Budgets as leases: a process draws slices of a budget from the database and holds calls against them in memory.

    Lease    a slice of one budget's period, ours until the database's clock says `until`
    Pot      this process's leases on one budget's period, and what it last saw of the rest
    Leasing  grows, reports, renews and returns leases; the only caller of `store.leases`

The owner stops holding against a lease at `until` − margin on its own monotonic clock, counted from
before it asked, so it has stopped when anybody else may charge the lease. An expiry gives nothing
back; when the owner returns, or its journal proves what its calls cost, the charge is lowered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from doorward.core.clock import Clock
from doorward.core.errors import StoreError
from doorward.ledger.pot import Lease, LeaseTimes, Pot
from doorward.store.leases import Grown, LeaseGone, Leases, Refused, Report

Seen = Callable[[Pot], None]
"""Told whenever the database's figures of a budget were seen."""


class Leasing:
    def __init__(self, rows: Leases, process: str, home: str, clock: Clock, times: LeaseTimes, seen: Seen) -> None:
        self._rows = rows
        self._process = process
        self._home = home
        self._clock = clock
        self.times = times
        self._seen = seen
        self._number = 0
        self._anchor_wall = clock.wall()
        self._anchor_at = clock.monotonic()
        self.pots: dict[tuple[str, str], Pot] = {}
        self.dropped = 0
        """Pots that went: who remembers one looks again."""

    def wall(self) -> float:
        """The database's clock, carried on by our monotonic one: a jump of this machine's clock moves no period."""
        return self._anchor_wall + self._clock.monotonic() - self._anchor_at

    def anchor(self, database_s: float) -> None:
        self._anchor_wall, self._anchor_at = database_s, self._clock.monotonic()

    async def grow(self, pot: Pot, nanos: int) -> Refused | None:
        """Lease enough for a hold of `nanos`, or say why not. Not to be cancelled: shield it."""
        async with pot.lock:
            now = self._clock.monotonic()
            if self.pots.get((pot.subject, pot.period)) is not pot or pot.has(nanos, now):
                return None  # the keeper dropped it meanwhile, or somebody else leased enough: look again
            if pot.refusal is not None and now < pot.refused_until and nanos >= pot.refused_nanos:
                return pot.refusal
            answer = await self._lease(pot, nanos)
            if isinstance(answer, Refused):
                answer = await self._ask_others(pot, nanos, answer)
            if isinstance(answer, Refused):
                pot.refusal, pot.refused_nanos = answer, nanos
                pot.refused_at = self._clock.monotonic()
                pot.refused_until = pot.refused_at + self.times.refused
                pot.spent, pot.left = answer.spent, pot.cap - answer.spent - answer.leased
                self._seen(pot)
                return answer
            return None

    async def _ask_others(self, pot: Pot, nanos: int, answer: Grown | Refused) -> Grown | Refused:
        await self._rows.want(pot.subject, pot.period)
        until = self._clock.monotonic() + self.times.ask
        while isinstance(answer, Refused) and self._clock.monotonic() < until:
            await asyncio.sleep(self.times.ask / 3)
            answer = await self._lease(pot, nanos)
        return answer

    async def _lease(self, pot: Pot, nanos: int) -> Grown | Refused:
        """One guarded UPDATE; another one when the lease has expired meanwhile."""
        while True:
            lease = self._current(pot)
            if lease.uncertain:
                await self._reload(lease)
            asked_at = self._clock.monotonic()
            need = nanos - max(0, lease.free)
            if need <= 0 and asked_at < lease.stop_at:
                return Grown(0, pot.left or 0, pot.spent, self.wall())
            need = max(need, 0)
            try:
                answer = await self._rows.grow(
                    lease.id,
                    pot.subject,
                    pot.period,
                    cap=pot.cap,
                    need=need,
                    want=max(64 * nanos, pot.cap // 64),
                    ttl_s=self.times.ttl,
                    process=self._process,
                    home=self._home,
                    first=not lease.stored,
                )
            except LeaseGone:
                await self._lost(lease)
                continue
            except BaseException:
                lease.uncertain = True
                raise
            self.anchor(answer.now_s)
            pot.answered_at = self._clock.monotonic()
            if isinstance(answer, Grown):
                lease.stored = True
                lease.granted += answer.slice_nanos
                lease.used_at = self._clock.monotonic()
                pot.left, pot.spent = answer.left, answer.spent
                self._renewed(lease, asked_at)
                self._seen(pot)
            return answer

    def _current(self, pot: Pot) -> Lease:
        """The lease to draw on. One that expired, or was not renewed in time, is set aside for the keeper."""
        lease = pot.lease
        if lease is not None and (lease.gone or (lease.stored and self._clock.monotonic() >= lease.stop_at)):
            pot.old.append(lease)
            lease = None
        if lease is None:
            self._number += 1
            lease = pot.lease = Lease(f"{self._process}:{self._number}")
        return lease

    def _renewed(self, lease: Lease, asked_at: float) -> None:
        lease.stop_at = asked_at + self.times.ttl - self.times.margin
        lease.renew_at = asked_at + self.times.ttl / 2

    async def _reload(self, lease: Lease) -> None:
        row = await self._rows.read(lease.id)
        lease.uncertain = False
        lease.stored = lease.stored or row.state != "none"
        lease.booked = row.spent
        lease.granted = row.amount
        lease.gone = row.state not in ("held", "none")

    async def _lost(self, lease: Lease) -> None:
        await self._reload(lease)
        lease.gone = True

    async def tend(self, *, home: bool = False) -> None:
        """Report spending, renew, send home what is idle (`home`: everything that no call holds), prove what expired."""
        busy: list[tuple[Pot, Lease, Report]] = []
        locked: list[Pot] = []
        try:
            for pot in list(self.pots.values()):
                if pot.lock.locked() and not (home or self._is_overdue(pot)):
                    continue  # it is growing, which renews it as well
                await pot.lock.acquire()
                locked.append(pot)
                busy += [
                    (pot, lease, report) for lease in list(pot.leases()) if (report := await self._report_of(pot, lease, home))
                ]
            if busy:
                await self._report(busy)
            for pot in locked:
                await self._tidy(pot)
        finally:
            for pot in locked:
                pot.lock.release()

    def _is_overdue(self, pot: Pot) -> bool:
        lease = pot.lease
        return lease is not None and lease.stored and self._clock.monotonic() > lease.renew_at + self.times.ttl / 8

    async def _report_of(self, pot: Pot, lease: Lease, home: bool) -> Report | None:
        if lease.uncertain:
            await self._reload(lease)
        if lease.gone or not lease.stored:
            return None
        now = self._clock.monotonic()
        spent, free = lease.unbooked, lease.free
        is_idle = not pot.waiting and now - lease.used_at >= self.times.idle
        leaves = home or pot.is_wanted or lease is not pot.lease or is_idle
        back = free if leaves and free > 0 else 0
        is_over = free < 0
        renew = now >= lease.renew_at and (lease.granted > 0 or lease.held > 0)
        flush = spent != 0 and (is_over or home or now - lease.reported_at >= self.times.flush)
        if not (back or renew or flush):
            return None
        return Report(lease.id, pot.subject, pot.period, spent, min(spent, max(0, lease.granted - lease.held)), back)

    async def _report(self, busy: list[tuple[Pot, Lease, Report]]) -> None:
        asked_at = self._clock.monotonic()
        for _, lease, report in busy:
            # taken out before the answer: what goes home must not be held against meanwhile
            lease.booked += report.spent
            lease.granted -= report.covered + report.back
        try:
            gone, after, now_s = await self._rows.report([report for _, _, report in busy], self.times.ttl)
        except BaseException:
            for _, lease, _ in busy:
                lease.uncertain = True
            raise
        self.anchor(now_s)
        for pot, lease, _ in busy:
            pot.is_wanted = False
            row = gone.get(lease.id)
            if row is not None:
                lease.gone, lease.booked, lease.granted = True, row.spent, 0
                continue
            lease.reported_at = asked_at
            self._renewed(lease, asked_at)
            seen = after.get((pot.subject, pot.period))
            if seen is not None:
                pot.spent, pot.left = seen.spent, pot.cap - seen.spent - seen.amount
                pot.refused_until = 0.0
                self._seen(pot)

    async def _tidy(self, pot: Pot) -> None:
        if pot.lease is not None and pot.lease.gone:
            pot.old.append(pot.lease)
            pot.lease = None
        for lease in list(pot.old):
            if lease.gone and not lease.held and not lease.uncertain:
                await self._rows.charges.prove(lease.id, lease.unbooked)
                pot.old.remove(lease)
            elif lease.is_empty and not lease.gone:
                pot.old.remove(lease)
        now = self._clock.monotonic()
        rested = pot.lease is None or (pot.lease.is_empty and now - pot.lease.used_at > self.times.ttl)
        if rested and not pot.old and not pot.waiting and now >= pot.refused_until:
            self.pots.pop((pot.subject, pot.period), None)
            self.dropped += 1

    async def look_who_asks(self) -> bool:
        """Near a cap: does another process need what lies idle here?"""
        tight = {key: pot for key, pot in self.pots.items() if pot.is_tight}
        if not tight:
            return False
        for key, asked_at in (await self._rows.wanted(tight)).items():
            pot = tight[key]
            if asked_at > pot.wanted_seen:
                pot.wanted_seen = asked_at
                pot.is_wanted = True
        return any(pot.is_wanted for pot in tight.values())

    async def keep(self, tended: Callable[[], None] = lambda: None) -> None:
        """For ever: `tend`, and near a cap look more often. A database that is away is waited for."""
        tend_at = 0.0
        while True:
            with suppress(StoreError):
                asked = await self.look_who_asks()
                if asked or self._clock.monotonic() >= tend_at:
                    tend_at = self._clock.monotonic() + self.times.tick
                    await self.tend()
                    tended()
            tight = any(pot.is_tight for pot in self.pots.values())
            await asyncio.sleep(self.times.poll if tight else self.times.tick)

"""What budgets do for a call, in memory: whose money it spends, holds on it, and the bill. No wait but for a pot that is too small.

Purse   the budgets of one caller, and this process's pots of them for the periods of now
Share   what one attempt holds: as much on one lease of each budget
Till    finds purses, takes shares, settles them
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import Unavailable
from doorward.ledger.exceeded import exceeded
from doorward.ledger.holds import Hold
from doorward.ledger.leases import Leasing
from doorward.ledger.pot import Lease, Pot
from doorward.store.budgets import ALL, Cap, Period
from doorward.store.leases import Refused
from doorward.store.periods import FOREVER_S, name_at, span

WAIT_S = 5.0
"""Longest wait for the database before a call is refused with 503: budgets fail closed."""
MOST_PURSES = 10_000
LOOK_ANEW_S = 300.0
"""A period's end is worked out anew so often: the database's clock is the one that counts."""


class Share(Struct, frozen=True, gc=False):
    pots: tuple[Pot, ...]
    leases: tuple[Lease, ...]
    nanos: int
    free: list[int | None]
    """What is left of each budget beside it, as this process knew; `None`: not known."""


Names = tuple[tuple[str, str, int], ...]
"""Subject, period and cap of each budget, for "why?"."""


def names_of(pots: tuple[Pot, ...]) -> Names:
    return tuple([(pot.subject, pot.period, pot.cap) for pot in pots])


class Purse(Struct, frozen=True, eq=False):
    """`nanos` and `period` are the key's own budget as it was then; `until` is monotonic, `dropped` the keeper's count."""

    nanos: int | None
    period: Period | None
    caps: tuple[Cap, ...]
    pots: tuple[Pot, ...]
    names: Names
    until: float
    dropped: int


class Till:
    """`shut(pot, spent)` is told of each refusal for want of money."""

    def __init__(self, leasing: Leasing, clock: Clock, shut: Callable[[Pot, int], None]) -> None:
        self.leasing = leasing
        self._clock = clock
        self._shut = shut
        self._caps: dict[str, Cap] = {}
        self._purses: dict[tuple[str | None, str | None], Purse] = {}
        self._periods: dict[Period, tuple[str, float]] = {}
        self._growing: set[asyncio.Task[Refused | None]] = set()

    def cap(self, caps: dict[str, Cap]) -> None:
        """The users' and the all-together budget, by subject."""
        if caps != self._caps:
            self._caps = caps
            self._purses.clear()

    def caps_of(self, caller: Caller) -> list[Cap]:
        """The budgets that a caller's calls count against."""
        caps = []
        limits = caller.limits
        if limits.budget_nanos is not None and caller.key_id is not None:
            caps.append(Cap(f"key:{caller.purse or caller.key_id}", limits.budget_nanos, limits.budget_period or "ever"))
        if caller.user_id is not None and (cap := self._caps.get(f"user:{caller.user_id}")) is not None:
            caps.append(cap)
        if (cap := self._caps.get(ALL)) is not None:
            caps.append(cap)
        return caps

    def purse_of(self, caller: Caller) -> Purse | None:
        """`None`: no budget applies. The period that a call belongs to is the one in which it is admitted."""
        limits = caller.limits
        if limits.budget_nanos is None and not self._caps:
            return None
        purse = self._purses.get((caller.purse or caller.key_id, caller.user_id))
        if (
            purse is None
            or purse.nanos != limits.budget_nanos
            or purse.period != limits.budget_period
            or purse.dropped != self.leasing.dropped
            or self._clock.monotonic() >= purse.until
        ):
            purse = self._purse(caller)
        return purse if purse.caps else None

    def _purse(self, caller: Caller) -> Purse:
        if len(self._purses) >= MOST_PURSES:
            self._purses.clear()
        limits, caps = caller.limits, tuple(self.caps_of(caller))
        pots = self.pots(caps)
        until = min((self._periods[cap.period][1] for cap in caps), default=FOREVER_S)
        purse = Purse(limits.budget_nanos, limits.budget_period, caps, pots, names_of(pots), until, self.leasing.dropped)
        self._purses[caller.purse or caller.key_id, caller.user_id] = purse
        return purse

    def pots(self, caps: Sequence[Cap]) -> tuple[Pot, ...]:
        return tuple([self._pot(cap) for cap in caps])

    def _pot(self, cap: Cap) -> Pot:
        now = self._clock.monotonic()
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
        return name, now + min(LOOK_ANEW_S, end - wall) if end != FOREVER_S else FOREVER_S

    def take(self, pots: tuple[Pot, ...], nanos: int) -> Share | None:
        """All or none, without a wait; `None`: some pot is too small."""
        now = self._clock.monotonic()
        leases, beside = [], []
        for pot in pots:
            lease = pot.lease
            # `pot.has`, written out: each call asks it of each of its budgets
            if lease is None or now >= lease.stop_at:
                return None
            free = lease.granted - lease.total + lease.booked - lease.held - nanos
            if free < 0:
                return None
            leases.append(lease)
            beside.append(None if pot.left is None else pot.left + free)
        for lease in leases:
            lease.held += nanos
            lease.used_at = now
        return Share(pots, tuple(leases), nanos, beside)

    async def obtain(self, find: Callable[[], tuple[Pot, ...]], hold: Hold) -> Share:
        """`take`, leasing more where it is needed. Raises `BudgetExceeded`, `Unavailable`, `StoreError`."""
        began = self._clock.monotonic()
        asked = find()
        for pot in asked:
            pot.waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                while (share := self.take(find(), hold.nanos)) is None:
                    for pot in find():
                        if pot.has(hold.nanos, self._clock.monotonic()):
                            continue
                        refused = await self._grow(pot, hold.nanos)
                        if refused is not None:
                            self._shut(pot, refused.spent)
                            raise exceeded(pot, hold, refused)
        except TimeoutError:
            for pot in find():
                # what came free meanwhile was taken by others of this crowd
                if pot.left is not None and pot.is_short(hold.nanos, began):
                    raise exceeded(pot, hold, Refused(pot.spent, pot.cap - pot.spent - pot.left, self.leasing.wall())) from None
            raise Unavailable(
                "The budget could not be asked in time. Try again.", code="budget_unavailable", retry_after_s=1.0
            ) from None
        finally:
            for pot in asked:
                pot.waiting -= 1
        return share

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

    async def stop(self) -> None:
        await asyncio.gather(*self._growing, return_exceptions=True)

    def settle(self, shares: Sequence[Share], cost: int) -> None:
        """Give the holds back and book what the call cost, in full, also what is above them.

        One share for each attempt that was held. Each budget bears the whole cost once: its first
        lease as much as was held there, its last one the rest.
        """
        now = self._clock.monotonic()
        if len(shares) == 1:
            nanos = shares[0].nanos
            for lease in shares[0].leases:
                lease.held -= nanos
                lease.total += cost
                lease.used_at = now
            return
        for of_one_budget in zip(*(share.leases for share in shares), strict=True):
            rest = cost
            for number, (share, lease) in enumerate(zip(shares, of_one_budget, strict=True), 1):
                part = rest if number == len(shares) else min(rest, share.nanos)
                rest -= part
                lease.held -= share.nanos
                lease.total += part
                lease.used_at = now

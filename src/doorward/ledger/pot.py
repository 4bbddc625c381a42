"""What a process holds of budgets in memory: its leases, and the pots that they make up. Nano-dollars, monotonic seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from doorward.store.leases import Refused


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds."""

    ttl: float = 60.0
    """From a renewal to the expiry, by the database's clock."""
    margin: float = 10.0
    """The owner stops so much earlier."""
    idle: float = 2.0
    """What nobody drew on for so long goes home."""
    flush: float = 1.0
    """Spending is reported at least so often."""
    ask: float = 0.1
    """Before a refusal, others may return what they do not use within this time."""
    poll: float = 0.04
    """How often a process looks whether others want what it does not use; only near a cap."""
    tick: float = 0.25
    refused: float = 0.25
    """A refusal answers equal calls for so long, so that a crowd asks once."""
    sweep: float = 10.0
    """How often overdue leases are charged."""


@dataclass(slots=True, eq=False)
class Lease:
    """Nano-dollars. `total` is what calls on it cost; `booked` how much of that the database has as spent."""

    id: str
    granted: int = 0
    held: int = 0
    total: int = 0
    booked: int = 0
    stop_at: float = 0.0
    renew_at: float = 0.0
    used_at: float = 0.0
    reported_at: float = 0.0
    stored: bool = False
    gone: bool = False
    """It expired, and was charged in full."""
    uncertain: bool = False
    """An answer of the database never came: read the row before anything else."""

    @property
    def unbooked(self) -> int:
        return self.total - self.booked

    @property
    def free(self) -> int:
        return self.granted - self.total + self.booked - self.held

    @property
    def is_empty(self) -> bool:
        return not (self.granted or self.held or self.unbooked or self.uncertain)


@dataclass(slots=True, eq=False)
class Pot:
    """`ends_at`: monotonic end of the period, for new calls; calls that were admitted before stay on it."""

    subject: str
    period: str
    cap: int
    ends_at: float
    lease: Lease | None = None
    old: list[Lease] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: int | None = None
    """Of the cap, neither spent nor leased, when last seen."""
    spent: int = 0
    answered_at: float = 0.0
    """When the database last gave or refused a slice; monotonic."""
    refusal: Refused | None = None
    refused_nanos: int = 0
    refused_at: float = 0.0
    refused_until: float = 0.0
    waiting: int = 0
    """Calls that are leasing, here and of their other budgets: what was leased for them is not idle."""
    wanted_seen: float = 0.0
    is_wanted: bool = False

    def leases(self) -> Iterable[Lease]:
        return (self.lease, *self.old) if self.lease is not None else self.old

    @property
    def free(self) -> int:
        """Leased, and held for nobody."""
        return max(0, self.lease.free) if self.lease is not None else 0

    def is_short(self, nanos: int, since: float) -> bool:
        """Since then the database has said that there is too little for so much: to this call or to another of its crowd."""
        if self.refusal is not None and self.refused_at >= since and nanos >= self.refused_nanos:
            return True
        return self.left is not None and self.left + self.free < nanos and self.answered_at >= since

    def has(self, nanos: int, now: float) -> bool:
        lease = self.lease
        return lease is not None and now < lease.stop_at and lease.free >= nanos

    @property
    def is_tight(self) -> bool:
        """Near the cap, where others may be refused for what lies idle here."""
        return self.left is not None and self.left < self.cap // 4 and any(lease.free > 0 for lease in self.leases())

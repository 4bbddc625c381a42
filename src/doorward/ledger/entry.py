"""One call's page in the book: everything a call learns on its way, in one mutable place.

The pipeline opens an entry for every call and settles it once, however the call ends. Rooms
write what they decided into it; nobody reads it back to decide.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec import Struct, field

from doorward.core.caller import Caller
from doorward.core.exchange import Exchange
from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.providers.route import Route
from doorward.wire.endpoints import Endpoint

__all__ = ["NOT_BILLED", "Attempt", "AttemptState", "Entry", "Source", "Tap", "Usage"]


class AttemptState(enum.StrEnum):
    PLANNED = "planned"
    CONNECTING = "connecting"
    SENT = "sent"
    HEADERS = "headers"
    FIRST_EVENT = "first_event"
    DONE = "done"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    """Ended with a complete answer that was an error, or before a byte was written: not billed."""


NOT_BILLED = frozenset({AttemptState.PLANNED, AttemptState.CONNECTING, AttemptState.FAILED})
"""Nothing was sent, or a complete answer said that it was an error."""


_NOTHING = Nanos(0)


class Attempt(Struct, eq=False, array_like=True):
    """One upstream call, at most once billed. The journal keeps it as it stands."""

    number: int
    provider_id: str
    account_id: str | None
    model: str | None
    started_s: float
    """Monotonic."""
    state: AttemptState = AttemptState.PLANNED
    status: int | None = None
    upstream_id: str | None = None
    """The upstream's own `x-request-id`."""
    first_event_s: float | None = None
    ended_s: float | None = None
    reason: str = ""
    """Why it ended as it did, for "why?": host and cause, never content."""
    usage: Usage | None = None
    cost: Nanos | None = None
    """`None` = the price is not known."""
    price_version: str | None = None
    dropped_events: int = 0
    """Events of a stream that were no JSON and were not passed on."""
    held: Nanos | None = None
    """What was reserved for this attempt, its worst case; `None` = nothing was held."""

    def was_sent(self) -> None:
        """The transport wrote the first byte. A call that is cancelled from now on may be billed."""
        self.state = AttemptState.SENT

    @property
    def is_charged(self) -> bool:
        """Usage and cost are set; a price that is looked up and not known counts."""
        return self.usage is not None and (self.cost is not None or self.price_version is not None)

    @property
    def may_be_billed(self) -> bool:
        """It was sent, and no complete answer said that it was refused."""
        return self.state not in NOT_BILLED and (self.status is None or self.status < 300)


class Tap(Protocol):
    """Listens to one attempt's answer. `relay.meter` has the implementation."""

    @property
    def finished(self) -> bool:
        """The attempt's usage and cost are set."""

    async def finish(self) -> None:
        """Count what was delivered, if the upstream did not say it; idempotent."""


class Entry(Struct, eq=False):
    """`id` is the call's `x-request-id`."""

    id: str
    caller: Caller
    exchange: Exchange
    endpoint: str
    """The path's template, `/v1/chat/completions`, never an id."""
    started_s: float
    wall_s: float
    opening: str = ""
    """What is unique about this call: the process's start id and a number. `id` may be sent twice by a client."""
    known: Endpoint | None = None
    """`endpoint`'s row; `None` for what is not of OpenAI's API."""
    route: Route | None = None
    attempts: list[Attempt] = field(default_factory=list)
    status: int | None = None
    error_code: str | None = None
    model_served: str | None = None
    first_byte_s: float | None = None
    cache: str = "off"
    tags: tuple[str, ...] = ()
    delivered_text: int = 0
    """Bytes of answer text that reached the client, for settling an interrupted stream."""
    facts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The call's decisions in order, for "why?": (step, details); no content, no secret."""

    begin: Callable[[Entry], None] | None = None
    """Writes the call into the journal before its first attempt; raises `Unavailable` when there is no room."""
    cover: Callable[[int], Awaitable[bool]] | None = None
    """Budgets' promise for one attempt more when so many may have been billed; `False`: there is no money for it."""
    held: int | None = None
    """The sum that budgets reserve for this call; `Ledger.held` writes it into the journal too."""
    taps: list[Tap] = field(default_factory=list)
    """Those that listen to the call's answers; `metered` waits for them."""
    charge: Callable[[Entry, Attempt], None] | None = None
    """Sets usage and cost of an attempt that was sent and that no tap has heard the end of."""
    closed: bool = False
    """It was found metered when its attempts were over: nobody needs to look again."""

    then: Callable[[], None] | None = None
    """Told once the call is settled; must not wait and must not raise."""

    def begins(self, attempt: Attempt) -> None:
        """An attempt is about to be sent. Raises `Unavailable`: then nothing may be."""
        if self.begin is not None:
            self.begin(self)
        self.attempts.append(attempt)

    def note(self, step: str, **details: Any) -> None:
        if self.attempts:
            details["after_attempt"] = len(self.attempts)
        self.facts.append((step, details))

    @property
    def is_metered(self) -> bool:
        """Every attempt's usage and cost are set. Nearly always so: only a cut or lost answer needs `metered`."""
        for tap in self.taps:
            if not tap.finished:
                return False
        for attempt in self.attempts:
            if (attempt.usage is None or (attempt.cost is None and attempt.price_version is None)) and attempt.may_be_billed:
                return False
        return True

    @property
    def is_closed(self) -> bool:
        """`is_metered`, asked where no attempt can follow: once it was so, it stays so."""
        if not self.closed:
            self.closed = self.is_metered
        return self.closed

    async def metered(self) -> None:
        """Count a cut answer, charge a lost one. To be shielded by whoever settles: `ledger.ledger.unbroken`."""
        for tap in self.taps:
            if not tap.finished:
                await tap.finish()
        for attempt in self.attempts:
            if self.charge is not None and attempt.may_be_billed and not attempt.is_charged:
                self.charge(self, attempt)

    @property
    def cost(self) -> Nanos | None:
        """Sum over the attempts that were billed; `None` as soon as one of them has no known price."""
        if len(self.attempts) == 1:
            only = self.attempts[0]
            return only.cost if only.may_be_billed else _NOTHING
        total = 0
        for attempt in self.attempts:
            if not attempt.may_be_billed:
                continue
            if attempt.cost is None:
                return None
            total += attempt.cost
        return Nanos(total)

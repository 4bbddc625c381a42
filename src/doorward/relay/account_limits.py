"""The operator's own limits on accounts (R32): an account that is at one is passed over, as if it rested."""

from __future__ import annotations

from msgspec import Struct

from doorward.core.exchange import Exchange
from doorward.ledger.entry import Entry
from doorward.providers.route import Plan
from doorward.relay.limits import Limits, estimate_tokens
from doorward.shared.counters import Limit

NEVER_FITS_S = 60.0
"""A call that is larger than an account's limit can ever hold: others go there meanwhile, this one does not wait."""
SEAT_FREES_S = 0.1


class Place(Struct, frozen=True):
    """What one attempt took of its account's limits."""

    limits: tuple[Limit, ...]
    held: int
    """Tokens."""
    seat: str
    attempt: int
    """Its index in the entry."""


class AccountLimits:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def of(self, plan: Plan) -> tuple[Limit, ...]:
        """Nearly always none: then there is nothing to take."""
        return self._limits.of_account(plan.account)

    async def take(
        self, plan: Plan, limits: tuple[Limit, ...], exchange: Exchange, entry: Entry, places: list[Place]
    ) -> float | None:
        """Take a place for the attempt that begins next -> `None`, or the seconds until the account may have room."""
        held, attempt = estimate_tokens(exchange), len(entry.attempts)
        seat = f"{entry.opening}:{attempt}"
        taken = await self._limits.take(limits, held, seat)
        if taken.refused is None:
            places.append(Place(limits, held, seat, attempt))
            return None
        entry.note("account_limit", provider=plan.provider.id, limit=taken.refused.name.rsplit(":", 1)[1])
        if taken.refused.kind == "seats":
            return SEAT_FREES_S
        return NEVER_FITS_S if taken.retry_after_s is None else taken.retry_after_s

    async def settle(self, entry: Entry, places: list[Place]) -> None:
        """True up to what was used, and give seats back. To be shielded."""
        if not entry.is_metered:
            await entry.metered()
        for place in places:
            usage = entry.attempts[place.attempt].usage if place.attempt < len(entry.attempts) else None
            used = usage.input_tokens + usage.output_tokens if usage is not None else 0
            await self._limits.settle(place.limits, place.held, used, place.seat)
        places.clear()

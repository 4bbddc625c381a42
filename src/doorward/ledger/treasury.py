"""Budgets and prices as people see and set them: for the control plane and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast, get_args

from doorward.core.clock import Clock
from doorward.core.errors import Conflict, NotFound, Unprocessable
from doorward.core.money import nanos_of_usd
from doorward.providers.prices import Override, checked
from doorward.store.budgets import ALL, BudgetRows, Cap, Period
from doorward.store.periods import FOREVER_S, name_at, span
from doorward.store.prices import PriceOverrides

MOST_USD = 10**7
LEAST_FORECAST_SHARE = 0.01
"""A forecast from less than a hundredth of a period would be a guess."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget now. Nano-dollars; times in unix seconds. `held` is what processes have reserved, for open calls or to lend."""

    subject: str
    label: str
    cap: int
    period: Period
    period_name: str
    spent: int
    held: int
    resets_at: float | None
    """`None`: never."""
    forecast: int | None
    """Spending at the period's end if it goes on as before; `None`: too early, or no end."""

    @property
    def left(self) -> int:
        return max(0, self.cap - self.spent - self.held)


class Treasury:
    """`fixed` is `DOORWARD_SPEND_CAP_USD`: then the all-together budget is set there and nowhere else."""

    def __init__(self, rows: BudgetRows, overrides: PriceOverrides, clock: Clock, *, fixed_nanos: int | None = None) -> None:
        self.rows = rows
        self.overrides = overrides
        self._clock = clock
        self._fixed = None if fixed_nanos is None else Cap(ALL, fixed_nanos, "ever")

    async def all(self) -> list[BudgetState]:
        """Everything together first, then users, then keys."""
        caps = {cap.subject: cap for cap in await self.rows.caps()}
        if self._fixed is not None:
            caps[ALL] = self._fixed
        stored = sorted(caps.values(), key=lambda cap: (cap.subject != ALL, cap.subject))
        return await self.states([*stored, *await self.rows.key_caps()])

    async def states(self, caps: Sequence[Cap]) -> list[BudgetState]:
        now = self._clock.wall()
        names = [(cap.subject, name_at(cap.period, now)) for cap in caps]
        used = await self.rows.used(names)
        labels = await self.rows.labels([cap.subject for cap in caps])
        states = []
        for cap, (subject, name) in zip(caps, names, strict=True):
            found = used.get((subject, name))
            spent, held = (found.spent, found.leased) if found is not None else (0, 0)
            end = span(name)[1]
            state = BudgetState(
                subject,
                labels.get(subject, "everything together" if subject == ALL else subject),
                cap.nanos,
                cap.period,
                name,
                spent,
                held,
                None if end == FOREVER_S else end,
                _forecast(spent, name, now),
            )
            states.append(state)
        return states

    async def set_budget(self, subject: str, usd: Decimal, period: str) -> BudgetState:
        """`subject`: ``all``, ``key:ID``, ``user:ID`` or ``user:EMAIL``. Raises 4xx that name the field."""
        if period not in get_args(Period):
            raise Unprocessable(f"A budget is for a day, a month or ever, not for {period[:20]!r}.", param="period")
        if not usd.is_finite() or usd < 0:
            raise Unprocessable("A budget must be 0 or more, in dollars.", param="cap_usd")
        if usd > MOST_USD:
            raise Unprocessable(f"A budget is at most {MOST_USD:,} dollars.", param="cap_usd")
        resolved = await self._resolve(subject)
        cap = Cap(resolved, nanos_of_usd(usd), cast(Period, period))
        if not await self.rows.set(cap):
            raise NotFound("There is no such key, or it is revoked. doorward key list shows them.", param="subject")
        return (await self.states([cap]))[0]

    async def remove_budget(self, subject: str) -> str:
        """-> the subject's id. What was spent stays on record and counts when a budget is set again."""
        resolved = await self._resolve(subject)
        if not await self.rows.remove(resolved):
            raise NotFound(f"{subject} has no budget.", param="subject")
        return resolved

    async def _resolve(self, subject: str) -> str:
        kind, colon, name = subject.partition(":")
        if subject == ALL:
            if self._fixed is not None:
                raise Conflict(
                    "The budget for everything together is set by DOORWARD_SPEND_CAP_USD. Change it there.", param="subject"
                )
            return ALL
        if kind not in ("user", "key") or not colon or not name:
            raise Unprocessable("A budget is for all, for user:EMAIL or for key:ID.", param="subject")
        if kind == "key":
            return f"key:{await self.rows.first_key(name)}"
        found = await self.rows.user_id(name)
        if found is None:
            raise NotFound("There is no such user. doorward user list shows them.", param="subject")
        return f"user:{found}"

    async def set_price(self, override: Override) -> Override:
        """Raises `Unprocessable`, naming the field."""
        await self.overrides.set(checked(override))
        return override

    async def remove_price(self, price_list: str, model: str, unit: str | None) -> int:
        removed = await self.overrides.remove(price_list, model, unit)
        if not removed:
            raise NotFound(f"No own price is set for {model} in the list {price_list}.")
        return removed


def _forecast(spent: int, name: str, now: float) -> int | None:
    start, end = span(name)
    if end == FOREVER_S:
        return None
    share = (now - start) / (end - start)
    if not LEAST_FORECAST_SHARE <= share <= 1:
        return None
    # whole thousandths: no float touches the money itself
    return spent * 1000 // max(1, int(share * 1000))

"""Where a call may go: the router's answer, read by limits, ledger and failover."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

from doorward.providers.provider import Account, Provider


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """R30, in seconds. `first_event_s` counts from the sent request to the first event or body byte."""

    connect_s: float = 5.0
    first_event_streamed_s: float = 120.0
    first_event_whole_s: float = 600.0
    idle_s: float = 60.0
    total_s: float = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One possible attempt: this model, there, with that account (`None` where no key is needed).

    Plans are told apart by being one or another, not by what they hold: a call looks its own up several times,
    and hashing two dozen fields each time cost 25 µs.
    """

    provider: Provider
    account: Account | None
    model: str | None
    """The model as that provider knows it; `None` when the call names none."""
    line: tuple[str, str] = field(init=False, repr=False)
    """Account and model: whose health it shares. Said once, for a plan serves many calls."""

    def __post_init__(self) -> None:
        account = self.account.id if self.account is not None else f"provider:{self.provider.id}"
        object.__setattr__(self, "line", (account, self.model or ""))

    def is_same_model(self, other: Plan) -> bool:
        """The same model at the same provider, by whatever account."""
        return self.model == other.model and self.provider.id == other.provider.id


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What the router decided. `plans` holds each candidate once per model, primary model first.

    One route serves every call that asks for the same, so it is known by being itself, as a plan is.
    """

    asked: str | None
    """The model as the client wrote it."""
    plans: tuple[Plan, ...]
    rescue: bool = False
    has_fallback: bool = False
    limits: TimeLimits = TimeLimits()
    pinned: bool = False
    """Bound to one account by an object (R18): never sent elsewhere."""
    why: str = ""
    """One sentence for the call's explanation."""
    equals: tuple[Plan, ...] = field(init=False, repr=False)
    """The plans of the first model: the accounts among which a call's first attempt is shared out."""

    def __post_init__(self) -> None:
        plans = self.plans
        object.__setattr__(self, "equals", tuple(takewhile(plans[0].is_same_model, plans)) if plans else ())

    @property
    def first(self) -> Plan:
        return self.plans[0]

    def after(self, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
        """The plans of the model that follows the one of `plans`; none after the last."""
        rest = self.plans[self.plans.index(plans[-1]) + 1 :]
        return tuple(takewhile(rest[0].is_same_model, rest)) if rest else ()

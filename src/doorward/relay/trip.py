"""One call on its way through a route: what was tried, what is left, and which attempt comes next."""

from __future__ import annotations

import math
import random
from itertools import groupby

from msgspec import Struct, field

from doorward.core.clock import Clock
from doorward.providers.model_facts import ModelFacts
from doorward.providers.route import Plan, Route
from doorward.relay.balance import Balance
from doorward.relay.resend import MOST_ATTEMPTS, SPACING_S, Next, RetryBudget, after, backoff_s
from doorward.upstream.classify import Outcome, Verdict
from doorward.upstream.health import Health

SAME_MODEL_TRIES = 2
"""Of one account, before a fallback model is asked; without one, up to `MOST_ATTEMPTS` in all."""
SOONEST_PROBE_S = 0.01


class Step(Struct):
    """Try this plan after waiting so long."""

    plan: Plan
    wait_s: float = 0.0


class Trip(Struct, eq=False):
    route: Route
    clock: Clock
    retry_wait_s: float
    """What may be waited between attempts, in all."""
    rng: random.Random
    facts: ModelFacts
    until_s: float = math.inf
    """The whole call's end, monotonic."""
    made: list[tuple[Plan, float]] = field(default_factory=list)
    """The attempts so far, and when each began, monotonic."""
    out: frozenset[Plan] = frozenset()
    """Plans that are of no more use to this call."""
    waited_s: float = 0.0
    last: tuple[Plan, Verdict] | None = None
    """`None`: no attempt has ended yet."""

    def next(self, health: Health, balance: Balance, budget: RetryBudget) -> Step | None:
        """The next attempt, or `None`: none is left, or none fits into what may still be waited."""
        if len(self.made) >= MOST_ATTEMPTS or self.clock.monotonic() >= self.until_s:
            return None
        if self.last is None:
            return self._first(health, balance)
        plan, verdict = self.last
        for model, group in _models(self.route):
            same = model == (plan.provider.id, plan.model)
            step = self._again(plan, verdict, group, health, balance) if same else self._elsewhere(group, health, balance)
            if step is None:
                continue
            # Another model is a way out; another attempt at the same one is a retry, and those are rationed.
            if same and not budget.retry():
                continue
            return step
        return None

    def _first(self, health: Health, balance: Balance) -> Step | None:
        """One of the first model's accounts that are well, else of the next one's."""
        plans = self.route.equals
        while plans:
            ready = [plan for plan in plans if health.usable(plan)]
            if ready:
                return Step(ready[0] if len(ready) == 1 else balance.choose(ready))
            plans = self.route.after(plans)
        return None

    def _elsewhere(self, group: list[Plan], health: Health, balance: Balance) -> Step | None:
        """A model not asked last: whichever of its accounts is well now and was not tried yet."""
        ready = [plan for plan in group if plan not in self.out and not self._tries(plan) and health.usable(plan)]
        return Step(balance.choose(ready)) if ready else None

    def _again(self, last: Plan, verdict: Verdict, group: list[Plan], health: Health, balance: Balance) -> Step | None:
        """The same model: another account at once, the same one after its wait."""
        if (fresh := self._elsewhere(group, health, balance)) is not None:
            return fresh if self._spacing_s(fresh.plan) == 0 else self._fitting(fresh.plan, self._spacing_s(fresh.plan))
        most = SAME_MODEL_TRIES if self.route.has_fallback else MOST_ATTEMPTS
        waits = [(self._wait_s(plan, verdict if plan is last else None, health), plan) for plan in group if self._may(plan, most)]
        for wait_s, plan in sorted(waits, key=lambda item: item[0]):
            step = self._fitting(plan, wait_s)
            if step is not None:
                return step
        return None

    def _may(self, plan: Plan, most: int) -> bool:
        return plan not in self.out and 0 < self._tries(plan) < most

    def _tries(self, plan: Plan) -> int:
        return sum(made is plan for made, _ in self.made)

    def _wait_s(self, plan: Plan, verdict: Verdict | None, health: Health) -> float:
        """What the upstream asks for, which `health` keeps as a rest, is a lower bound; jitter where it asks for nothing."""
        wait_s = max(health.wait_s(plan), self._spacing_s(plan))
        if verdict is not None and verdict.retry_after_s:
            return wait_s
        return max(wait_s, backoff_s(self._tries(plan), self.rng))

    def _fitting(self, plan: Plan, wait_s: float) -> Step | None:
        fits = self.waited_s + wait_s <= self.retry_wait_s and self.clock.monotonic() + wait_s < self.until_s
        return Step(plan, wait_s) if fits else None

    def _spacing_s(self, plan: Plan) -> float:
        """Until a third attempt at this model may be made."""
        began = [began_s for made, began_s in self.made if made.is_same_model(plan)]
        return max(0.0, began[-2] + SPACING_S - self.clock.monotonic()) if len(began) >= 2 else 0.0

    def ended(self, plan: Plan, verdict: Verdict) -> Next:
        """Take note of how an attempt ended -> whether another may follow."""
        self.last = (plan, verdict)
        following = after(verdict.outcome, self.route.rescue)
        if following is Next.OTHER_ACCOUNT:
            owner = plan.account.rests_as if plan.account else None
            quota = verdict.outcome is Outcome.REST_QUOTA_OWNER
            self.out |= {
                p for p in self.route.plans if p == plan or (quota and p.account is not None and p.account.rests_as == owner)
            }
        elif following is Next.OTHER_MODEL:
            asked = plan.model or ""
            self.out |= {p for p in self.route.plans if p.model == plan.model or self.facts.known_no_larger(p.model or "", asked)}
        elif verdict.outcome is Outcome.AMBIGUOUS and verdict.silent:
            # A route that was silent is not asked again for this call: the next wait would be as long.
            self.out |= {p for p in self.route.plans if p.is_same_model(plan)}
        return following

    def soonest_s(self, health: Health) -> float:
        """When the first of all plans may be asked again: what a refused caller is told."""
        return max(SOONEST_PROBE_S, min(health.wait_s(plan) for plan in self.route.plans))


def _models(route: Route) -> list[tuple[tuple[str, str | None], list[Plan]]]:
    return [(model, list(group)) for model, group in groupby(route.plans, key=lambda plan: (plan.provider.id, plan.model))]

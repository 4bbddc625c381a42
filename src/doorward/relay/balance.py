"""Order equals: among a model's accounts, the one to try first. Today by weight; headroom and health multiply in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import groupby

from doorward.providers.route import Plan

Weigh = Callable[[Plan], float]


def by_weight(plan: Plan) -> float:
    return float(plan.account.weight) if plan.account is not None else 1.0


class Balance:
    """`weigh` gives a plan's share of the load; 0 = not now."""

    def __init__(self, weigh: Weigh = by_weight, rng: random.Random | None = None) -> None:
        self._weigh = weigh
        self._rng = rng or random.Random()  # noqa: S311  shares load, guards nothing

    def order(self, plans: tuple[Plan, ...]) -> Iterator[Plan]:
        """Models stay in the route's order; accounts of one model come by weighted chance, each once."""
        if len(plans) == 1:
            yield plans[0]
            return
        for _, group in groupby(plans, key=lambda plan: (plan.provider.id, plan.model)):
            left = list(group)
            while left:
                weights = [self._weigh(plan) for plan in left]
                total = sum(weights)
                chosen = self._rng.choices(left, weights)[0] if total > 0 else left[0]
                left.remove(chosen)
                yield chosen

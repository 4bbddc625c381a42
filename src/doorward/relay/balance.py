"""Order equals: among a model's accounts, the one that should take this call (R17)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from doorward.providers.route import Plan
from doorward.upstream.health import Health


class Balance:
    """By chance in proportion to weight × headroom × health, divided among calls in flight."""

    def __init__(self, health: Health, rng: random.Random | None = None) -> None:
        self._health = health
        self._rng = rng or random.Random()  # noqa: S311  shares load, guards nothing

    def choose(self, plans: Sequence[Plan]) -> Plan:
        if len(plans) == 1:
            return plans[0]
        return self._rng.choices(plans, [self._health.score(plan).share for plan in plans])[0]

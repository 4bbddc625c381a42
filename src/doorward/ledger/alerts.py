"""Tells the operator when a budget has reached 50, 80 and 100 %: one log line and one webhook, from one process.

Which process that is, the database decides; a webhook that cannot be delivered stays in the log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from doorward.core.errors import StoreError
from doorward.core.money import usd_text
from doorward.store.budgets import BudgetRows

_log = logging.getLogger(__name__)

PERCENTS = (50, 80, 100)


class Webhook(Protocol):
    """Port to `upstream.webhooks`."""

    async def send(self, event: str, data: dict[str, object]) -> bool:
        """Deliver, trying again a few times; `False` when it was given up."""


class Alerts:
    def __init__(self, rows: BudgetRows, webhook: Webhook | None = None) -> None:
        self._rows = rows
        self._webhook = webhook
        self._reached: dict[tuple[str, str, int], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, subject: str, period: str, spent: int, cap: int, *, is_shut: bool = False) -> None:
        """Spending as it was just seen; cheap when nothing is new. `is_shut`: a call was refused by this budget."""
        reached = 100 if is_shut else max((percent for percent in PERCENTS if spent * 100 >= cap * percent), default=0)
        key = (subject, period, cap)
        if reached <= self._reached.get(key, 0):
            return
        before = self._reached.get(key, 0)
        self._reached[key] = reached
        for percent in PERCENTS:
            if before < percent <= reached:
                task = asyncio.get_running_loop().create_task(self._tell(subject, period, percent, spent, cap))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def forget(self, periods: set[tuple[str, str]]) -> None:
        """Keep only these (subject, period)s in mind; what was sent stands in the database."""
        self._reached = {key: percent for key, percent in self._reached.items() if key[:2] in periods}

    async def _tell(self, subject: str, period: str, percent: int, spent: int, cap: int) -> None:
        try:
            if not await self._rows.alert_once(subject, period, percent, cap):
                return
        except StoreError:
            # told twice is better than not at all
            self._reached.pop((subject, period, cap), None)
            return
        _log.warning(
            "budget of %s has reached %d %%: %s of %s USD (%s)",
            subject,
            percent,
            usd_text(spent),
            usd_text(cap),
            period,
            extra={"budget": subject, "percent": percent},
        )
        if self._webhook is None:
            return
        data: dict[str, object] = {
            "budget": subject,
            "period": period,
            "percent": percent,
            "spent_usd": usd_text(spent),
            "cap_usd": usd_text(cap),
        }
        if not await self._webhook.send("budget.reached", data):
            _log.error("the webhook for budget %s at %d %% could not be delivered", subject, percent)

    async def close(self) -> None:
        """Wait a moment for what is on its way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in self._tasks:
            task.cancel()

"""Alarms: a client key that comes from a new address, or ten times as often as usual.

`saw` runs on every call, so it only counts; `run` looks at what was gathered every few seconds.
"Usual" is this process's own moving average per key; it alarms only after `LEARN_S`, above a
floor, and once an hour per key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.audit.chain import Audit
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import StoreError
from doorward.store.key_addresses import KeyAddresses

EVERY_S = 5.0
TIMES_USUAL = 10.0
LEARN_S = 600.0
FLOOR_PER_MINUTE = 60.0
QUIET_S = 3600.0
MOST_PAIRS = 50_000
WEIGHT = 0.1
"""Of the newest minute in the moving average."""

log = logging.getLogger("doorward.audit")

Alarm = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""(event, details) -> sent on, for example as a webhook. Never holds a secret."""


@dataclass(slots=True)
class _Habit:
    began_s: float
    minute_s: float
    count: int = 0
    usual_per_minute: float | None = None
    alarmed_s: float = field(default=float("-inf"))


class Unusual:
    def __init__(
        self, addresses: KeyAddresses, audit: Audit, clock: Clock, alarm: Alarm | None = None, *, every_s: float = EVERY_S
    ) -> None:
        self._addresses = addresses
        self._audit = audit
        self._monotonic = clock.monotonic
        self._alarm = alarm
        self._every_s = every_s
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._new: dict[tuple[str, str], Caller] = {}
        self._habits: dict[str, _Habit] = {}
        self._frequent: dict[str, float] = {}

    def saw(self, caller: Caller, from_addr: str) -> None:
        """A key was used. Microseconds; never fails."""
        key = caller.key_id or ""
        pair = (key, from_addr)
        if from_addr and pair not in self._pairs:
            self._pairs[pair] = None
            self._new[pair] = caller
            if len(self._pairs) > MOST_PAIRS:
                self._pairs.popitem(last=False)
        now = self._monotonic()
        habit = self._habits.get(key)
        if habit is None:
            habit = self._habits[key] = _Habit(now, now)
        if now - habit.minute_s >= 60:
            _close_minutes(habit, now)
        habit.count += 1
        usual = max((habit.usual_per_minute or 0.0) * TIMES_USUAL, FLOOR_PER_MINUTE)
        if habit.count > usual and now - habit.began_s > LEARN_S and now - habit.alarmed_s > QUIET_S:
            habit.alarmed_s = now
            self._frequent[key] = habit.usual_per_minute or 0.0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except StoreError:
                log.warning("key alarms wait: the database does not answer")

    async def look(self) -> None:
        """Raise what was gathered."""
        new, self._new = self._new, {}
        frequent, self._frequent = self._frequent, {}
        for (key, address), caller in new.items():
            try:
                is_new = await self._addresses.saw(key, address)
            except StoreError:
                self._pairs.pop((key, address), None)  # asked again at its next use
                raise
            if is_new:
                await self._raise("key_new_address", key, address, {"label": caller.label})
        for key, usual in frequent.items():
            await self._raise("key_unusual_rate", key, "", {"usual_per_minute": round(usual, 2)})
        idle_s = self._monotonic() - 24 * 3600
        for key in [key for key, habit in self._habits.items() if habit.minute_s < idle_s]:
            del self._habits[key]

    async def _raise(self, event: str, key: str, address: str, details: Mapping[str, Any]) -> None:
        log.warning("alarm %s: client key %s", event, key)
        await self._audit.append("doorward", event, f"key:{key}", from_addr=address, details=details)
        if self._alarm is not None:
            await self._alarm(event, {"key_id": key, **details})


def _close_minutes(habit: _Habit, now: float) -> None:
    """Fold the minutes that passed into the average; minutes without a call count as none."""
    if habit.usual_per_minute is None:
        habit.usual_per_minute = float(habit.count)
    else:
        habit.usual_per_minute += WEIGHT * (habit.count - habit.usual_per_minute)
    idle_minutes = min(int((now - habit.minute_s) // 60) - 1, 1000)
    habit.usual_per_minute *= (1 - WEIGHT) ** idle_minutes
    habit.minute_s += 60.0 * (idle_minutes + 1)
    if now - habit.minute_s >= 60:
        habit.minute_s = now
    habit.count = 0

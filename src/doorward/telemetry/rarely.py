"""A complaint that every call would make again: said once in a while, in one line, with how often it was meant."""

from __future__ import annotations

from typing import Any

from doorward.core.clock import Clock
from doorward.telemetry.logs import Log


class Rarely:
    """At most once in `every_s`; what was held back is counted into the next line's `times`."""

    def __init__(self, log: Log, clock: Clock, every_s: float = 30.0) -> None:
        self._log = log
        self._clock = clock
        self._every_s = every_s
        self._until_s: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def error(self, event: str, **facts: Any) -> None:
        """`event` is one of a few names of the house, never made of what a client sends."""
        now_s = self._clock.monotonic()
        times = self._times[event] = self._times.get(event, 0) + 1
        if now_s < self._until_s.get(event, 0.0):
            return
        self._until_s[event] = now_s + self._every_s
        self._times[event] = 0
        self._log.error(event, **facts, times=times)

"""A time limit that moves often and passes rarely.

A timer for each wait would cost more than the wait itself on a stream of small events. Here one
timer stays armed while the limit moves on; only when it fires is the limit looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_NEVER = float("inf")
_EARLY_S = 0.002
"""Event loops round timers to the millisecond."""


class Deadline:
    """At most one limit at a time; `passed` is called in the event loop when it is over, whether anybody still waits or not."""

    __slots__ = ("_armed_s", "_due_s", "_loop", "_passed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self._loop = loop
        self._passed = passed
        self._due_s = _NEVER
        self._armed_s = _NEVER
        self._timer: asyncio.TimerHandle | None = None

    def move(self, within_s: float) -> None:
        self._due_s = due_s = self._loop.time() + within_s
        if due_s < self._armed_s:
            self._arm(due_s)

    def close(self) -> None:
        self._due_s = self._armed_s = _NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = at_s
        self._timer = self._loop.call_at(at_s, self._look)

    def _look(self) -> None:
        self._timer = None
        self._armed_s = _NEVER
        if self._due_s == _NEVER:
            return
        if self._loop.time() + _EARLY_S < self._due_s:
            self._arm(self._due_s)
        else:
            self._due_s = _NEVER
            self._passed()

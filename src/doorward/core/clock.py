"""Time, passed in. `monotonic` for every limit and timer; `wall` only for what people read."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never jump; the zero is arbitrary."""

    def wall(self) -> float:
        """Unix seconds, UTC; may jump."""


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


_: Clock = SystemClock()

"""How long this event loop itself stood still: what a busy machine adds to every time that is measured in it.

    async with Stalls() as stalls:
        ...
    took_s - stalls.within(began_s, ended_s)

A test whose client, door and upstream share one loop measures the door, and not its neighbours, by taking this off. It
takes off nothing that the door spends on waiting; what the door computes is a stall like any other, so that a test which
uses this says nothing about CPU time.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from types import TracebackType

TICK_S = 0.002


class Stalls:
    def __init__(self) -> None:
        self._ends: list[float] = []
        self._spans: list[float] = []

    async def __aenter__(self) -> Stalls:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        last_s = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            if now_s - last_s > 3 * TICK_S:
                self._ends.append(now_s)
                self._spans.append(now_s - last_s - TICK_S)
            last_s = now_s

    def within(self, began_s: float, ended_s: float) -> float:
        """Seconds of standing still between two moments (monotonic)."""
        whole = 0.0
        for at in range(bisect.bisect_right(self._ends, began_s), len(self._ends)):
            end_s, span_s = self._ends[at], self._spans[at]
            if end_s - span_s >= ended_s:
                break
            whole += min(end_s, ended_s) - max(end_s - span_s, began_s)
        return whole

"""Into how many parts a limit is divided where processes cannot count together: without Redis, or while it is away.

Each process then allows its share, so that together they never allow more than the limit (R32, R55). A share is a whole
number, and at least 1. It may be too little where a balancer sends one caller to one process: that is what Redis is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from doorward.core.errors import StoreError
from doorward.telemetry.logs import named

log = named(__name__)


class LocalShare:
    """`count` tells how many processes serve; `run` belongs to the app's tasks."""

    def __init__(self, count: Callable[[], Awaitable[int]], every_s: float) -> None:
        self._count = count
        self._every_s = every_s
        self._parts = 1

    def __call__(self) -> int:
        return self._parts

    async def look(self) -> None:
        """While the database is away the last number stays."""
        try:
            parts = await self._count()
        except StoreError:
            return
        if parts != self._parts:
            log.info("processes_counted", processes=parts)
        self._parts = parts

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()

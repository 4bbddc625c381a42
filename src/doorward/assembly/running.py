"""What has to be ended again: tasks that run beside the calls, and rooms that close in the other order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Running:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = contextlib.AsyncExitStack()

    def keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run until the house stops."""
        self._tasks.append(asyncio.create_task(work, name=name))

    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        self._closing.push_async_callback(close)

    def close_later_at_once(self, close: Callable[[], object]) -> None:
        """The same for what closes without waiting."""
        self._closing.callback(close)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._closing.aclose()

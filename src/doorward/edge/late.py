"""Front doors that are built when somebody first comes to one.

The control plane and the apps are 19 MB and half a second that a process which only relays never needs.
They are built in a thread: streams go on meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

from doorward.edge.root import Root


class LateDoor:
    """`build` runs once. If it fails, the doors stay shut for whoever came, and the next one tries again."""

    def __init__(self, build: Callable[[], Root]) -> None:
        self._build = build
        self._one_builds = threading.Lock()
        self._doors: Root | None = None
        self._building: asyncio.Future[Root] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        doors = self._doors or await self._opened()
        await doors(scope, receive, send)

    def now(self) -> Root:
        with self._one_builds:
            if self._doors is None:
                self._doors = self._build()
                gc.freeze()  # as after the start: what lives as long as the process is not looked through again
            return self._doors

    async def _opened(self) -> Root:
        if self._building is None or self._building.done():
            self._building = asyncio.ensure_future(asyncio.to_thread(self.now))
        return await asyncio.shield(self._building)  # a client that leaves does not take it from the others

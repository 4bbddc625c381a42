"""Who follows settled calls as they happen, like `doorward tail`; a reader that is too slow misses the oldest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from doorward.store.call_rows import CallRow

FOLLOWER_ROWS = 1000
"""Rows that wait for a slow reader; older ones are dropped for it."""


class Followers:
    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[CallRow]] = set()

    def show(self, call: CallRow) -> None:
        for queue in self.queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(call)

    async def calls(self) -> AsyncIterator[CallRow]:
        queue: asyncio.Queue[CallRow] = asyncio.Queue(FOLLOWER_ROWS)
        self.queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.queues.discard(queue)

"""Work that is done to its end, whatever happens to who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end even when the caller is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as interruption:
            if task.cancelled():
                raise
            cancelled = interruption
    task.result()
    if cancelled is not None:
        raise cancelled

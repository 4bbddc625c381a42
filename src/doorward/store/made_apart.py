"""A new SQLite database gets its schema in a child process, so that Alembic's 14 MB end with it.

Only a wish: whatever goes wrong there goes wrong once more where the database is opened, and is told there.
"""

from __future__ import annotations

import asyncio
import os
import sys

from doorward.core.errors import DoorwardError
from doorward.store.address import parse
from doorward.store.engine import Store


def make_apart(url: str) -> None:
    """Call before there is an event loop or a thread: the process is forked."""
    try:
        file = parse(url).file
    except DoorwardError:
        return
    if file is None or file.exists() or sys.platform != "linux":
        return
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        asyncio.run(_open_and_close(url))
    finally:
        os._exit(0)  # nothing of the parent's is this process's to clean up


async def _open_and_close(url: str) -> None:
    await (await Store.open(url)).close()

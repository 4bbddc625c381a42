"""Every route declares who may use it, or the process does not start (I13): looked at in a child, beside the start.

The control plane and the apps are built when somebody first comes to them (`late`); their declarations are checked
before anybody can. A child pays the 19 MB and the half second for it, and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from doorward.core.errors import DoorwardError

_UNDECLARED = 3


def look_apart() -> Callable[[], Awaitable[None]]:
    """Call before there is an event loop or a thread. What is returned waits for the answer, and raises if it is bad."""
    if sys.platform != "linux":
        look()
        return _nothing
    child = os.fork()
    if child:
        return lambda: _told(child)
    code = 0
    try:
        look()
    except BaseException:  # noqa: BLE001  the parent says what is wrong; here only that something is
        code = _UNDECLARED
    finally:
        os._exit(code)  # nothing of the parent's is this process's to clean up


def look() -> None:
    """Raises `Undeclared` for a route that does not say who may use it, wherever it is defined."""
    from doorward.edge.control_plane.declare import all_declared
    from doorward.edge.control_plane.plane import NOUNS, PEOPLE, document

    # the apps' routes cannot be made without a declaration: `AppRoutes.on` asks for it
    for noun in (*NOUNS, *PEOPLE):
        all_declared(noun.routes.routes)
    all_declared(document.routes)


async def _told(child: int) -> None:
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    if os.waitstatus_to_exitcode(status) == _UNDECLARED:
        raise DoorwardError("A route does not say who may use it, so nothing is served. This is a fault of the program: report it.")


async def _nothing() -> None:
    return None

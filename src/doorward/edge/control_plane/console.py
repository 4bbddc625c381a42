"""What the console's nouns are handed: figures, what is known of upstreams, and the adapters in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends

from doorward.adapters.watch import Adapters
from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import HasParts
from doorward.ledger.overview import Overviews
from doorward.store.tallies import Tallies
from doorward.store.user_ways import UserWays
from doorward.upstream.health import Health

MOST_WATCHERS = 50
"""Pages that follow the overview live, each one query a second."""


@dataclass(frozen=True, slots=True)
class Console:
    overviews: Overviews
    tallies: Tallies
    health: Health
    adapters: Adapters
    ways: UserWays
    is_draining: Callable[[], bool]
    watchers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_WATCHERS))


async def _console(parts: HasParts) -> Console:
    if parts.console is None:
        raise NotFound("This Doorward keeps no figures.")
    return parts.console


HasConsole = Annotated[Console, Depends(_console)]

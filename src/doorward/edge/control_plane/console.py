"""What the console's endpoints ask for by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.handed import Console


async def _console(parts: HasParts) -> Console:
    if parts.console is None:
        raise NotFound("This Doorward keeps no figures.")
    return parts.console


HasConsole = Annotated[Console, Depends(_console)]

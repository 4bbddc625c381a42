"""What an endpoint asks for by type: the parts, and who calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from doorward.core.caller import Caller
from doorward.edge.control_plane.parts import Parts


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _caller(request: Request) -> Caller:
    """The guard put it there; a public route has none."""
    caller: Caller = request.state.caller
    return caller


HasParts = Annotated[Parts, Depends(_parts)]
Calling = Annotated[Caller, Depends(_caller)]

"""What endpoints about people ask for by type: the front desk, the key slot, and from where a request comes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from doorward.core.errors import Unavailable
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.slot import Slot
from doorward.identity.desk import Desk


async def desk_of(parts: HasParts) -> Desk:
    if parts.desk is None:
        raise Unavailable("This server was built without users.")
    return parts.desk


async def _slot(parts: HasParts) -> Slot:
    if parts.slot is None:
        raise Unavailable("This server was built without users.")
    return parts.slot


async def _from_addr(parts: HasParts, request: Request) -> str:
    return parts.peers.address(request.scope.get("client"), request.scope["headers"])


HasDesk = Annotated[Desk, Depends(desk_of)]
HasSlot = Annotated[Slot, Depends(_slot)]
FromAddr = Annotated[str, Depends(_from_addr)]

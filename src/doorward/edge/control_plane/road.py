"""What endpoints about traffic ask for by type, and what follows for traffic when a key ends."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.handed import Road
from doorward.edge.control_plane.parts import Parts
from doorward.identity.credentials import owner_of
from doorward.store.client_keys import KeyRow


def _road(parts: HasParts) -> Road:
    if parts.road is None:
        raise NotFound("This Doorward relays nothing.")
    return parts.road


async def forget_answers(parts: Parts, row: KeyRow) -> None:
    """A key has ended: what is cached for its owner must not outlive it."""
    if parts.road is not None:
        await parts.road.forget_answers(owner_of(row))


HasRoad = Annotated[Road, Depends(_road)]

"""What the nouns of traffic are handed: the signposts, the relay's view of its upstreams, and where a call would go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from doorward.core.caller import Caller
from doorward.core.errors import NotFound
from doorward.core.exchange import Exchange
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.parts import Parts
from doorward.edge.signposts import Signposts
from doorward.identity.credentials import owner_of
from doorward.providers.route import Route
from doorward.store.client_keys import KeyRow
from doorward.upstream.health import Health
from doorward.wire.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Road:
    signposts: Signposts
    health: Health
    route: Callable[[Exchange, Caller, Endpoint], Awaitable[Route]]
    """Where a call would go, without making it."""
    forget_answers: Callable[[str], Awaitable[None]]
    """Owner -> nothing that was cached for its calls is given again, in any process."""


def _road(parts: HasParts) -> Road:
    if parts.road is None:
        raise NotFound("This Doorward relays nothing.")
    return parts.road


async def forget_answers(parts: Parts, row: KeyRow) -> None:
    """A key has ended: what is cached for its owner must not outlive it."""
    if parts.road is not None:
        await parts.road.forget_answers(owner_of(row))


HasRoad = Annotated[Road, Depends(_road)]

"""`/api/v1/routes`, `/api/v1/aliases`, `/api/v1/limits`: where calls go when a model fails, other names, how many (R29, R32)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from doorward.core.caller import KeyLimits
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Deleted
from doorward.edge.control_plane.key_limits import CallLimitsIn
from doorward.edge.control_plane.road import HasRoad
from doorward.store.call_limits import BOUNDS
from doorward.store.routes import RouteRule

routes = router("routes")

Model = Annotated[str, Field(min_length=1, max_length=200)]
Named = Annotated[str, Path(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RouteIn(Body):
    fallbacks: Annotated[list[Model], Field(max_length=100)] = Field(description="Models to try next, in order.")
    first_event_timeout_s: Seconds | None = Field(None, description="To the first event; null: the settings'.")
    idle_timeout_s: Seconds | None = Field(None, description="Between two pieces of an answer; null: the settings'.")
    rescue: bool = Field(False, description="Rather pay twice than fail: what was sent and lost may be sent again.")
    force: bool = Field(False, description="Also with models that no provider has.")


class RouteOut(Answer):
    match: str = Field(description="A model, or a prefix ending in *; the longest that matches applies, alone.")
    fallbacks: list[str]
    first_event_timeout_s: float | None
    idle_timeout_s: float | None
    rescue: bool


class RouteList(Answer):
    data: list[RouteOut]


class AliasIn(Body):
    model: Model
    force: bool = Field(False, description="Also with a model that no provider has.")


class AliasOut(Answer):
    name: str
    model: str


class AliasList(Answer):
    data: list[AliasOut]


class CallLimitsOut(Answer):
    subject: str = Field(description="user:ID or account:ID.")
    rpm: int | None
    rpd: int | None
    tpm: int | None
    tpd: int | None
    concurrency: int | None


class CallLimitsList(Answer):
    data: list[CallLimitsOut]


@routes.get("/api/v1/routes")
@declared(auth="either", scope="admin")
async def list_routes(road: HasRoad) -> RouteList:
    """All routes, by model."""
    return RouteList(data=[_shown(rule) for rule in await road.signposts.routes()])


@routes.put("/api/v1/routes/{match:path}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def set_route(parts: HasParts, road: HasRoad, match: Named, wish: RouteIn) -> RouteOut:
    """Set a route, or replace it. The next call goes by it."""
    rule = RouteRule(match, tuple(wish.fallbacks), wish.first_event_timeout_s, wish.idle_timeout_s, wish.rescue)
    stored = await road.signposts.set_route(rule, force=wish.force)
    await parts.changed()
    return _shown(stored)


@routes.delete("/api/v1/routes/{match:path}")
@declared(auth="either", scope="admin")
async def remove_route(parts: HasParts, road: HasRoad, match: Named) -> Deleted:
    """Remove a route: its models have no fallback any more."""
    await road.signposts.remove_route(match)
    await parts.changed()
    return Deleted(id=match)


@routes.get("/api/v1/aliases")
@declared(auth="either", scope="admin")
async def list_aliases(road: HasRoad) -> AliasList:
    """Other names for models."""
    return AliasList(data=[AliasOut(name=name, model=model) for name, model in (await road.signposts.aliases()).items()])


@routes.put("/api/v1/aliases/{name:path}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def set_alias(parts: HasParts, road: HasRoad, name: Named, wish: AliasIn) -> AliasOut:
    """Give a model another name, or change whose name it is."""
    await road.signposts.set_alias(name, wish.model, force=wish.force)
    await parts.changed()
    return AliasOut(name=name, model=wish.model)


@routes.delete("/api/v1/aliases/{name:path}")
@declared(auth="either", scope="admin")
async def remove_alias(parts: HasParts, road: HasRoad, name: Named) -> Deleted:
    """Take a name away again."""
    await road.signposts.remove_alias(name)
    await parts.changed()
    return Deleted(id=name)


@routes.get("/api/v1/limits")
@declared(auth="either", scope="admin")
async def list_limits(road: HasRoad) -> CallLimitsList:
    """Limits of users and accounts; a client key's own are shown with it."""
    found = await road.signposts.limits()
    return CallLimitsList(
        data=[
            CallLimitsOut(subject=subject, **{name: getattr(bounds, name) for name in BOUNDS}) for subject, bounds in found.items()
        ]
    )


@routes.put("/api/v1/limits/{subject}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def set_limits(parts: HasParts, road: HasRoad, subject: Named, wish: CallLimitsIn) -> CallLimitsOut:
    """Limits of user:EMAIL, user:ID or account:ID, in place of what stood there."""
    bounds = {name: getattr(wish, name) for name in BOUNDS}
    resolved = await road.signposts.set_limits(subject, KeyLimits(**bounds))
    await parts.changed()
    return CallLimitsOut(subject=resolved, **bounds)


@routes.delete("/api/v1/limits/{subject}")
@declared(auth="either", scope="admin")
async def remove_limits(parts: HasParts, road: HasRoad, subject: Named) -> Deleted:
    """Lift all limits of a user or an account."""
    resolved = await road.signposts.remove_limits(subject)
    await parts.changed()
    return Deleted(id=resolved)


def _shown(rule: RouteRule) -> RouteOut:
    return RouteOut(
        match=rule.match,
        fallbacks=list(rule.fallbacks),
        first_event_timeout_s=rule.first_event_timeout_s,
        idle_timeout_s=rule.idle_timeout_s,
        rescue=rule.rescue,
    )

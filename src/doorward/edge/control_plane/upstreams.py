"""`/api/v1/health` and `/api/v1/routes/what-if`: how upstreams are now, and which account a call would take, and why."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Body as FromBody
from fastapi import Query
from pydantic import Field

from doorward.core.caller import Caller
from doorward.core.errors import NotFound, Unprocessable
from doorward.core.exchange import Exchange, MemoryBody
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.road import HasRoad
from doorward.providers.route import Plan
from doorward.upstream.health import Health
from doorward.wire.endpoints import match
from doorward.wire.openai import read_asks

routes = router("upstreams")

BODY_CAP_BYTES = 1024 * 1024


class RouteState(Answer):
    account: str
    model: str
    breaker: str = Field(description="closed, open or half_open.")
    in_flight: int
    failure_rate: float
    took_s: float | None
    headroom: dict[str, float] = Field(description="Share of the upstream's own limits that is left.")
    resets_s: dict[str, float] = Field({}, description="Until they are whole again, in seconds.")


class RestState(Answer):
    quota_owner: str
    model: str | None = Field(description="null: all its models.")
    for_s: float


class QuarantineState(Answer):
    account: str
    for_s: float


class HealthOut(Answer):
    routes: list[RouteState]
    rests: list[RestState]
    quarantined: list[QuarantineState]


class PlanOut(Answer):
    provider: str
    model: str | None
    account: str | None
    label: str | None
    is_usable: bool
    is_refused: bool = Field(description="The provider refuses its key: it waits for a new one.")
    wait_s: float = Field(description="Until it may be tried; 0: now.")
    weight: float
    headroom: float | None = Field(description="Share of its limits that is left; null: not told yet, and taken as whole.")
    health: float
    in_flight: int
    share: float = Field(description="Chance to be the one that is asked first, 0 to 1.")


class WhatIfOut(Answer):
    key_id: str | None = Field(description="The client key whose call it would be; null: whoever asks.")
    asked: str | None
    why: str
    is_pinned: bool = Field(description="A stored object binds the call to one account.")
    rescue: bool
    has_fallback: bool
    first_event_s: float
    idle_s: float
    total_s: float
    plans: list[PlanOut] = Field(description="In the order in which models are tried; accounts of one model share by chance.")


@routes.get("/api/v1/health")
@declared(auth="either", scope="admin")
async def health(road: HasRoad) -> HealthOut:
    """What this process has seen of each account and model."""
    return HealthOut.model_validate(road.health.snapshot())


@routes.post("/api/v1/routes/what-if")
@declared(auth="either", scope="admin", audits_itself=True, body_cap_bytes=BODY_CAP_BYTES)
async def what_if(
    parts: HasParts,
    road: HasRoad,
    caller: Calling,
    wish: Annotated[dict[str, Any], FromBody()],
    key_id: Annotated[
        str | None, Query(max_length=64, description="As a call with this client key; left out: as your own.")
    ] = None,
) -> WhatIfOut:
    """Send a call's body, or `{"endpoint": "/v1/embeddings", "body": {...}}`. Nothing is called."""
    who = caller if key_id is None else await _holder(parts, key_id)
    path, body = "/v1/chat/completions", wish
    if isinstance(wish.get("endpoint"), str) and isinstance(wish.get("body"), dict):
        path, body = wish["endpoint"], wish["body"]
    found = match("POST", path)
    if found.endpoint is None:
        raise NotFound("There is no such endpoint for POST.", param="endpoint")
    raw = msgspec.json.encode(body)
    asks = read_asks(raw)
    exchange = Exchange("what-if", "POST", path, b"", [], MemoryBody(raw), asks, "", parts.clock.monotonic())
    route = await road.route(exchange, who, found.endpoint)
    limits = route.limits
    return WhatIfOut(
        key_id=key_id,
        asked=route.asked,
        why=route.why,
        is_pinned=route.pinned,
        rescue=route.rescue,
        has_fallback=route.has_fallback,
        first_event_s=limits.first_event_streamed_s if asks.stream else limits.first_event_whole_s,
        idle_s=limits.idle_s,
        total_s=limits.total_s,
        plans=_plans(route.plans, road.health),
    )


async def _holder(parts: Parts, key_id: str) -> Caller:
    """Who would call with this key; one that is refused at the door gets no further here either."""
    found = await parts.credentials.standing(key_id)
    if found is None:
        raise NotFound("There is no such client key.", param="key_id")
    caller, refusal = found
    if refusal is not None:
        raise Unprocessable(refusal, param="key_id")
    return caller


def _plans(plans: tuple[Plan, ...], health: Health) -> list[PlanOut]:
    first = next(((plan.provider.id, plan.model) for plan in plans if health.usable(plan)), None)
    contenders = [plan for plan in plans if (plan.provider.id, plan.model) == first and health.usable(plan)]
    whole = sum(health.score(plan).share for plan in contenders)
    told = {(line["account"], line["model"]) for line in health.snapshot()["routes"] if line["headroom"]}
    shown = []
    for plan in plans:
        score, account = health.score(plan), plan.account
        shown.append(
            PlanOut(
                provider=plan.provider.id,
                model=plan.model,
                account=account.id if account else None,
                label=account.label if account else None,
                is_usable=health.usable(plan),
                is_refused=account is not None and health.is_quarantined(account),
                wait_s=round(health.wait_s(plan), 3),
                weight=score.weight,
                headroom=round(score.headroom, 3) if account and (account.id, plan.model or "") in told else None,
                health=round(score.health, 3),
                in_flight=score.in_flight,
                share=round(score.share / whole, 3) if plan in contenders and whole else 0.0,
            )
        )
    return shown

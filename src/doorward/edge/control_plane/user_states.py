"""`/api/v1/user-states`: users with their ways in, whether they have a key, and what they spent this month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from doorward.core.caller import Role
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.console import HasConsole
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.desk import HasDesk
from doorward.edge.control_plane.fields import Answer
from doorward.store.tallies import MEASURES, Range

routes = router("users")

Way = Literal["passkey", "password", "oidc"]


class UserStateOut(Answer):
    id: str
    email: str
    role: Role
    ways: list[Way] = Field(description="How they can sign in; empty: they cannot, yet.")
    configured: bool = Field(description="They have stored a key of their own.")
    created_at: float
    signed_in_at: float | None
    calls: int = Field(description="This month, in UTC.")
    cost_nanos: int
    unknown_cost_calls: int


class UserStateList(Answer):
    data: list[UserStateOut]
    next: str | None = Field(description="Pass it as `after` for the next page; null: this is the last.")


@routes.get("/api/v1/user-states")
@declared(auth="either", scope="admin")
async def user_states(
    parts: HasParts,
    desk: HasDesk,
    console: HasConsole,
    after: Annotated[str, Query(max_length=255)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UserStateList:
    """Users in order of e-mail."""
    found = await desk.users.list(after, limit)
    ways = await console.ways.of([user.id for user in found])
    now_s = parts.clock.wall()
    month = datetime.fromtimestamp(now_s, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = await console.tallies.sums("user", Range(month.timestamp(), now_s + 1))
    data = []
    for user in found:
        sums = dict(zip(MEASURES, spent.get(user.id, (0,) * len(MEASURES)), strict=True))
        in_by: list[Way] = []
        if user.id in ways.passkey:
            in_by.append("passkey")
        if user.password_hash is not None:
            in_by.append("password")
        if user.id in ways.oidc:
            in_by.append("oidc")
        state = UserStateOut(
            id=user.id,
            email=user.email,
            role=user.role,
            ways=in_by,
            configured=user.id in ways.with_key,
            created_at=user.created_at,
            signed_in_at=user.signed_in_at,
            calls=sums["calls"],
            cost_nanos=sums["cost_nanos"],
            unknown_cost_calls=sums["unknown_cost_calls"],
        )
        data.append(state)
    return UserStateList(data=data, next=found[-1].email if len(found) == limit else None)

"""`/api/v1/me/keys`: a user's own client keys (R14). Another user's id is a 404, whatever one tries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from doorward.core.caller import Caller, KeyLimits, Scope
from doorward.core.errors import Forbidden, NotFound
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Text
from doorward.edge.control_plane.key_limits import AdapterNames, LimitsIn, LimitsOut, shown, taken
from doorward.edge.control_plane.keys import ContentDays, Models, Rotation, UnixTime, changed
from doorward.edge.control_plane.road import forget_answers
from doorward.edge.keysmith import Wish
from doorward.edge.provider_form import models as checked_models
from doorward.identity.custody import WITH_LOGIN
from doorward.store.client_keys import KeyRow

routes = router("my keys")


class MyKeyIn(Body):
    label: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)] = Field(["call"])
    models: Models | None = None
    adapters: AdapterNames | None = None
    limits: LimitsIn = LimitsIn()
    expires_at: UnixTime | None = None
    log_content_days: ContentDays = None


class MyKeyChange(Body):
    """Fields that are left out stay as they are."""

    label: Text | None = None
    log_content_days: ContentDays = None


class MyKeyOut(Answer):
    id: str
    label: str
    scopes: list[Scope]
    models: list[str] | None = Field(description="Models it may use; null: all.")
    adapters: list[str] | None = Field(description="Adapters it may use; null: all.")
    limits: LimitsOut
    log_content_days: int | None = Field(description="Days for which what is said in its calls is kept; null: it is not.")
    state: Literal["active", "expired", "revoked"]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    rotated_from: str | None = Field(description="The key that this one replaces.")


class MyKeyMade(MyKeyOut):
    key: str = Field(description="The whole key, shown this once.")


class MyKeyList(Answer):
    data: list[MyKeyOut]


@routes.get("/api/v1/me/keys")
@declared(auth="either", scope="me", modes=WITH_LOGIN)
async def list_mine(parts: HasParts, caller: Calling) -> MyKeyList:
    """My client keys, the newest first."""
    now_s = parts.clock.wall()
    return MyKeyList(data=[MyKeyOut(**_shown(row, now_s)) for row in await parts.client_keys.list(_user(caller))])


@routes.post("/api/v1/me/keys", status_code=201)
@declared(auth="either", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN)
async def make(parts: HasParts, caller: Calling, wish: MyKeyIn) -> MyKeyMade:
    """Make a client key of mine. It can do no more than I can."""
    await _require_unbounded(parts, caller)
    row, key = await parts.keysmith.make(
        Wish(
            label=wish.label,
            scopes=tuple(dict.fromkeys(wish.scopes)),
            models=None if wish.models is None else checked_models(wish.models),
            expires_at=wish.expires_at,
            owner_user_id=_user(caller),
            adapters=None if wish.adapters is None else tuple(wish.adapters),
            limits=taken(wish.limits),
            content_days=wish.log_content_days,
        ),
        caller.scopes,
    )
    return MyKeyMade(**_shown(row, parts.clock.wall()), key=key.reveal().decode())


@routes.patch("/api/v1/me/keys/{key_id}")
@declared(auth="either", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN)
async def change(parts: HasParts, caller: Calling, key_id: str, wish: MyKeyChange) -> MyKeyOut:
    """Give one of my keys another label, or say for how long what is said in its calls is kept."""
    await _mine(parts, caller, key_id)
    row = await parts.keysmith.change(key_id, changed(wish.model_fields_set, wish.label, wish.log_content_days))
    parts.credentials.forget(key_id)
    return MyKeyOut(**_shown(row, parts.clock.wall()))


@routes.post("/api/v1/me/keys/{key_id}/rotate", status_code=201)
@declared(auth="either", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN)
async def rotate(parts: HasParts, caller: Calling, key_id: str, wish: Rotation) -> MyKeyMade:
    """Make a successor with the same powers; the old key stays good for `overlap_s` seconds."""
    await _mine(parts, caller, key_id)
    if caller.key_id != key_id:
        await _require_unbounded(parts, caller)
    row, key = await parts.keysmith.rotate(key_id, wish.overlap_s, caller.scopes)
    parts.credentials.forget(key_id)
    return MyKeyMade(**_shown(row, parts.clock.wall()), key=key.reveal().decode())


@routes.post("/api/v1/me/keys/{key_id}/revoke")
@declared(auth="either", scope="me", modes=WITH_LOGIN)
async def revoke(parts: HasParts, caller: Calling, key_id: str) -> MyKeyOut:
    """End one of my keys: refused here at once, and by every other process within 5 s."""
    await _mine(parts, caller, key_id)
    row = await parts.client_keys.revoke(key_id, _user(caller))
    parts.credentials.forget(key_id)
    await forget_answers(parts, row)
    return MyKeyOut(**_shown(row, parts.clock.wall()))


def _user(caller: Caller) -> str:
    if caller.user_id is None:
        raise Forbidden("This key belongs to the operator, not to a user. Use /api/v1/keys.")
    return caller.user_id


async def _mine(parts: HasParts, caller: Caller, key_id: str) -> KeyRow:
    row = await parts.client_keys.by_public_id(key_id)
    if row is None or row.owner_user_id != _user(caller):
        raise NotFound("There is no such client key.")
    return row


async def _require_unbounded(parts: HasParts, caller: Caller) -> None:
    """A key with bounds must not make one without: it would be its own way out of them."""
    if caller.key_id is None:
        return
    row = await _mine(parts, caller, caller.key_id)
    if row.models is not None or row.adapters is not None or row.expires_at is not None or row.limits != KeyLimits():
        raise Forbidden("A key with limits or an end cannot make keys. Sign in to make one.")


def _shown(row: KeyRow, now_s: float) -> dict[str, object]:
    return {
        "id": row.public_id,
        "label": row.label,
        "scopes": list(row.scopes),
        "models": None if row.models is None else list(row.models),
        "adapters": None if row.adapters is None else list(row.adapters),
        "limits": shown(row.limits),
        "log_content_days": row.content_days,
        "state": "revoked" if row.revoked_at is not None else "active" if row.is_valid(now_s) else "expired",
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "rotated_from": row.rotated_from,
    }

"""`/api/v1/keys`: client keys, for applications (R14). The key itself is in one answer only: the one that made it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import Field

from doorward.core.caller import KeyLimits, Scope
from doorward.core.errors import Forbidden, NotFound
from doorward.core.secret import Secret
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Deleted, Text
from doorward.edge.control_plane.key_limits import AdapterNames, CallLimitsIn, LimitsIn, LimitsOut, shown, taken
from doorward.edge.control_plane.road import forget_answers
from doorward.edge.keysmith import MOST_CONTENT_DAYS, MOST_OVERLAP_S, Wish
from doorward.edge.provider_form import models as checked_models
from doorward.store.client_keys import KeyFields, KeyRow

routes = router("keys")

Models = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=200)]
ShareName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
ContentDays = Annotated[
    int | None,
    Field(ge=1, le=MOST_CONTENT_DAYS, description="Keep what is said in its calls, sealed, for so many days; null: not."),
]
UnixTime = Annotated[float, Field(gt=0, lt=1e11, description="Unix seconds.")]


class KeyOut(Answer):
    id: str = Field(description="The public part of the key.")
    label: str
    scopes: list[Scope]
    share_as: str | None = Field(description="Keys with one name share their objects.")
    models: list[str] | None = Field(description="Models it may use; null: all.")
    adapters: list[str] | None = Field(description="Adapters it may use; null: all.")
    owner_user_id: str | None = Field(description="null: the operator's key.")
    owner: str | None = Field(description="The owner's e-mail address.")
    limits: LimitsOut
    log_content_days: int | None = Field(description="Days for which what is said in its calls is kept; null: it is not.")
    state: Literal["active", "expired", "revoked"]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    rotated_from: str | None = Field(description="The key that this one replaces.")


class NewKeyOut(KeyOut):
    key: str = Field(description="The whole key, shown this once.")


class KeyList(Answer):
    data: list[KeyOut]


class KeyIn(Body):
    label: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)] = Field(["call"])
    share_as: ShareName | None = None
    models: Models | None = None
    adapters: AdapterNames | None = None
    owner: Annotated[str, Field(max_length=255)] | None = Field(None, description="A user's e-mail address; null: the operator's.")
    limits: LimitsIn = LimitsIn()
    expires_at: UnixTime | None = None
    log_content_days: ContentDays = None


class KeyChange(Body):
    """Fields that are left out stay as they are; `expires_at: null` makes the key last."""

    label: Text | None = None
    expires_at: UnixTime | None = None
    log_content_days: ContentDays = None
    limits: CallLimitsIn | None = Field(None, description="In place of all its limits on calls; its budget stays.")


class Rotation(Body):
    overlap_s: Annotated[float, Field(ge=0, le=MOST_OVERLAP_S)] = Field(
        0, description="How long the old key stays good, in seconds."
    )


@routes.get("/api/v1/keys")
@declared(auth="either", scope="admin")
async def list_keys(parts: HasParts) -> KeyList:
    """All client keys, the newest first."""
    now_s = parts.clock.wall()
    rows = await parts.client_keys.list()
    owners = await parts.client_keys.owners([row.owner_user_id for row in rows if row.owner_user_id is not None])
    return KeyList(data=[KeyOut(**_shown(row, now_s, owners)) for row in rows])


@routes.post("/api/v1/keys", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def make_key(parts: HasParts, caller: Calling, wish: KeyIn) -> NewKeyOut:
    """Make a client key. Its scopes cannot exceed those of the key that asks."""
    row, key = await parts.keysmith.make(
        Wish(
            label=wish.label,
            scopes=tuple(dict.fromkeys(wish.scopes)),
            share_as=wish.share_as,
            models=None if wish.models is None else checked_models(wish.models),
            expires_at=wish.expires_at,
            owner_user_id=await _owner(parts, wish),
            adapters=None if wish.adapters is None else tuple(wish.adapters),
            limits=taken(wish.limits),
            content_days=wish.log_content_days,
        ),
        caller.scopes,
    )
    return await _new(parts, row, key)


@routes.get("/api/v1/keys/{key_id}")
@declared(auth="either", scope="admin")
async def get_key(parts: HasParts, key_id: str) -> KeyOut:
    """One client key, without the key."""
    row = await parts.client_keys.by_public_id(key_id)
    if row is None:
        raise NotFound("There is no such client key.")
    return await _out(parts, row)


@routes.patch("/api/v1/keys/{key_id}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def change_key(parts: HasParts, key_id: str, wish: KeyChange) -> KeyOut:
    """Change label, expiry, limits on calls, or for how long what is said in them is kept."""
    fields = changed(wish.model_fields_set, wish.label, wish.log_content_days)
    if wish.limits is not None:
        fields["bounds"] = KeyLimits(**wish.limits.model_dump())
    if "expires_at" in wish.model_fields_set:
        fields["expires_at"] = wish.expires_at
    row = await parts.keysmith.change(key_id, fields)
    parts.credentials.forget(key_id)
    return await _out(parts, row)


@routes.post("/api/v1/keys/{key_id}/revoke")
@declared(auth="either", scope="admin")
async def revoke_key(parts: HasParts, key_id: str) -> KeyOut:
    """End a key. It is refused here at once, and by every other process within 5 s."""
    row = await parts.client_keys.revoke(key_id)
    parts.credentials.forget(key_id)
    await forget_answers(parts, row)
    return await _out(parts, row)


@routes.post("/api/v1/keys/{key_id}/rotate", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def rotate_key(parts: HasParts, caller: Calling, key_id: str, wish: Rotation) -> NewKeyOut:
    """Make a successor with the same powers; the old key stays good for `overlap_s` seconds."""
    row, key = await parts.keysmith.rotate(key_id, wish.overlap_s, caller.scopes)
    parts.credentials.forget(key_id)
    return await _new(parts, row, key)


@routes.delete("/api/v1/keys/{key_id}")
@declared(auth="either", scope="admin")
async def purge_key(parts: HasParts, key_id: str) -> Deleted:
    """Delete a key and its row."""
    await parts.keysmith.purge([key_id])
    parts.credentials.forget(key_id)
    return Deleted(id=key_id)


def changed(given: Collection[str], label: str | None, content_days: int | None) -> KeyFields:
    """What a change names; a label cannot be taken away."""
    fields = KeyFields()
    if label is not None:
        fields["label"] = label
    if "log_content_days" in given:
        fields["content_days"] = content_days
    return fields


async def _owner(parts: HasParts, wish: KeyIn) -> str | None:
    """-> the user's id. A user's key cannot do more than its owner; `admin` needs an admin."""
    if wish.owner is None:
        return None
    user = await parts.desk.users.by_email(wish.owner) if parts.desk is not None else None
    if user is None:
        raise NotFound("There is no user with this e-mail address.", param="owner")
    if "admin" in wish.scopes and user.role != "admin":
        raise Forbidden("A key with the scope admin needs an owner who is an admin.")
    return user.id


async def _new(parts: HasParts, row: KeyRow, key: Secret) -> NewKeyOut:
    return NewKeyOut(**(await _out(parts, row)).model_dump(), key=key.reveal().decode())


async def _out(parts: HasParts, row: KeyRow) -> KeyOut:
    owners = await parts.client_keys.owners([row.owner_user_id] if row.owner_user_id is not None else [])
    return KeyOut(**_shown(row, parts.clock.wall(), owners))


def _shown(row: KeyRow, now_s: float, owners: Mapping[str, str]) -> dict[str, object]:
    state = "revoked" if row.revoked_at is not None else "active" if row.is_valid(now_s) else "expired"
    return {
        "id": row.public_id,
        "label": row.label,
        "scopes": list(row.scopes),
        "share_as": row.share_as,
        "models": None if row.models is None else list(row.models),
        "adapters": None if row.adapters is None else list(row.adapters),
        "owner_user_id": row.owner_user_id,
        "owner": owners.get(row.owner_user_id or ""),
        "limits": shown(row.limits),
        "log_content_days": row.content_days,
        "state": state,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
        "rotated_from": row.rotated_from,
    }

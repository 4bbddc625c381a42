"""Passkeys over HTTP: sign-in with one, and the user's own list of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from doorward.core.errors import Unauthenticated
from doorward.edge.control_plane.caller import Calling
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk
from doorward.edge.control_plane.fields import Answer, Body, Deleted, Text
from doorward.edge.session import SignedIn, own_page, signed_in
from doorward.identity.custody import SIGN_IN, WITH_LOGIN

routes = router("passkeys")

Credential = Annotated[dict[str, Any], Field(description="What the browser's `navigator.credentials` gave, as JSON.")]


class CredentialIn(Body):
    credential: Credential


class NewPasskeyIn(Body):
    name: Text
    credential: Credential


class PasskeyOut(Answer):
    id: str
    name: str
    created_at: float
    last_used_at: float | None
    backed_up: bool = Field(description="Kept by a password manager, so it survives the device.")


class PasskeyList(Answer):
    data: list[PasskeyOut]


class MadeOut(Answer):
    id: str
    name: str


@routes.post("/api/v1/session/passkey/begin", response_model=dict[str, Any])
@declared(auth="public", modes=WITH_LOGIN, audits_itself=True)
async def begin_sign_in(desk: HasDesk, request: Request) -> Response:
    """A challenge for `navigator.credentials.get`, good once and for five minutes."""
    own_page(desk, request)
    return JSONResponse(await desk.passkeys.begin_sign_in())


@routes.post("/api/v1/session/passkey", response_model=SignedIn)
@declared(auth="public", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def sign_in(desk: HasDesk, request: Request, wish: CredentialIn, from_addr: FromAddr) -> Response:
    """Sign in by passkey."""
    own_page(desk, request)
    user = await desk.passkeys.finish_sign_in(wish.credential)
    return await signed_in(desk, request, user, "passkey", from_addr)


@routes.get("/api/v1/me/passkeys")
@declared(auth="session", scope="me", modes=WITH_LOGIN)
async def list_mine(desk: HasDesk, caller: Calling) -> PasskeyList:
    """My passkeys, the oldest first."""
    return PasskeyList(
        data=[
            PasskeyOut(id=row.id, name=row.name, created_at=row.created_at, last_used_at=row.last_used_at, backed_up=row.backed_up)
            for row in await desk.passkeys.of_user(caller.user_id or "")
        ]
    )


@routes.post("/api/v1/me/passkeys/begin", response_model=dict[str, Any])
@declared(auth="session", scope="me", modes=WITH_LOGIN, audits_itself=True)
async def begin_registration(desk: HasDesk, caller: Calling) -> Response:
    """A challenge for `navigator.credentials.create`, good once and for five minutes."""
    user = await desk.users.by_id(caller.user_id or "")
    if user is None:
        raise Unauthenticated(SIGN_IN)
    return JSONResponse(await desk.passkeys.begin_registration(user))


@routes.post("/api/v1/me/passkeys", status_code=201)
@declared(auth="session", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def register(desk: HasDesk, caller: Calling, wish: NewPasskeyIn, from_addr: FromAddr) -> MadeOut:
    """Add a passkey to my ways in."""
    made = await desk.passkeys.finish_registration(caller, wish.name, wish.credential, from_addr=from_addr)
    return MadeOut(id=made, name=wish.name)


@routes.delete("/api/v1/me/passkeys/{passkey_id}")
@declared(auth="session", scope="me", modes=WITH_LOGIN, audits_itself=True)
async def remove(desk: HasDesk, caller: Calling, passkey_id: str, from_addr: FromAddr) -> Deleted:
    """Remove one of my passkeys; not the last way in."""
    await desk.passkeys.remove(passkey_id, caller, from_addr=from_addr)
    return Deleted(id=passkey_id)

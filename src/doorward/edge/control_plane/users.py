"""`/api/v1/users` and `/api/v1/invitations`: who may come in, for admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from doorward.core.caller import Role
from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import Calling
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk
from doorward.edge.control_plane.fields import Answer, Body, Deleted, SecretIn
from doorward.edge.session import Email
from doorward.identity.custody import WITH_LOGIN
from doorward.store.users import User

routes = router("users")


class UserOut(Answer):
    id: str
    email: str
    role: Role
    has_password: bool
    created_at: float
    signed_in_at: float | None


class UserList(Answer):
    data: list[UserOut]
    next: str | None = Field(description="Pass it as `after` for the next page; null: this is the last.")


class UserIn(Body):
    email: Email
    role: Role = "user"
    password: SecretIn | None = None


class UserChange(Body):
    role: Role


class Erased(Answer):
    id: str
    rows: dict[str, int] = Field(description="Rows erased or made nameless, by table.")


class InvitationIn(Body):
    email: Email
    role: Role = "user"


class InvitationOut(Answer):
    id: str
    email: str
    role: Role
    expires_at: float


class InvitationList(Answer):
    data: list[InvitationOut]


class NewInvitationOut(Answer):
    email: str
    role: Role
    link: str = Field(description="Send it to them. It works once, for a day, and is shown only now.")


@routes.get("/api/v1/users")
@declared(auth="either", scope="admin")
async def list_users(
    desk: HasDesk, after: Annotated[str, Query(max_length=255)] = "", limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> UserList:
    """Users in order of e-mail."""
    found = await desk.users.list(after, limit)
    return UserList(data=[_shown(user) for user in found], next=found[-1].email if len(found) == limit else None)


@routes.post("/api/v1/users", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES, audits_itself=True)
async def add_user(desk: HasDesk, caller: Calling, wish: UserIn, from_addr: FromAddr) -> UserOut:
    """Make a user. An invitation is better: then nobody but they know the password."""
    return _shown(await desk.users.add(wish.email, wish.role, wish.password, actor=caller, from_addr=from_addr))


@routes.get("/api/v1/users/{user_id}")
@declared(auth="either", scope="admin")
async def get_user(desk: HasDesk, user_id: str) -> UserOut:
    """One user."""
    user = await desk.users.by_id(user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return _shown(user)


@routes.patch("/api/v1/users/{user_id}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES, audits_itself=True)
async def change_user(desk: HasDesk, caller: Calling, user_id: str, wish: UserChange, from_addr: FromAddr) -> UserOut:
    """Change a user's role; their sessions end. The last admin stays one."""
    return _shown(await desk.users.set_role(user_id, wish.role, actor=caller, from_addr=from_addr))


@routes.delete("/api/v1/users/{user_id}")
@declared(auth="either", scope="admin", audits_itself=True)
async def remove_user(desk: HasDesk, caller: Calling, user_id: str, from_addr: FromAddr) -> Deleted:
    """Shut a user out: sessions and passkeys go, client keys are revoked. The last admin stays."""
    await desk.users.remove(user_id, actor=caller, from_addr=from_addr)
    return Deleted(id=user_id)


@routes.get("/api/v1/users/{user_id}/export", response_model=dict[str, Any])
@declared(auth="either", scope="admin")
async def export_user(desk: HasDesk, caller: Calling, user_id: str, from_addr: FromAddr) -> Response:
    """Everything kept about a user, without hashes and keys."""
    return JSONResponse(await desk.erasure.export(user_id, actor=caller, from_addr=from_addr))


@routes.post("/api/v1/users/{user_id}/erase")
@declared(auth="either", scope="admin", audits_itself=True)
async def erase_user(desk: HasDesk, caller: Calling, user_id: str, from_addr: FromAddr) -> Erased:
    """Delete all that is kept about a user. Money and the audit chain keep their rows, without a name."""
    return Erased(id=user_id, rows=await desk.erasure.erase(user_id, actor=caller, from_addr=from_addr))


@routes.get("/api/v1/invitations")
@declared(auth="either", scope="admin", modes=WITH_LOGIN)
async def list_invitations(desk: HasDesk) -> InvitationList:
    """Invitations that still work, the newest first."""
    return InvitationList(
        data=[
            InvitationOut(id=ticket.id, email=ticket.payload["email"], role=ticket.payload["role"], expires_at=ticket.expires_at)
            for ticket in await desk.invitations.open()
        ]
    )


@routes.post("/api/v1/invitations", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def invite(desk: HasDesk, caller: Calling, wish: InvitationIn, from_addr: FromAddr) -> NewInvitationOut:
    """A link that makes one user, once, within a day."""
    token = await desk.invitations.make(wish.email, wish.role, actor=caller, from_addr=from_addr)
    return NewInvitationOut(email=wish.email, role=wish.role, link=desk.site.url(f"/invitation#{token}"))


@routes.delete("/api/v1/invitations/{invitation_id}")
@declared(auth="either", scope="admin", modes=WITH_LOGIN, audits_itself=True)
async def withdraw_invitation(desk: HasDesk, caller: Calling, invitation_id: str, from_addr: FromAddr) -> Deleted:
    """Make an invitation useless."""
    await desk.invitations.withdraw(invitation_id, actor=caller, from_addr=from_addr)
    return Deleted(id=invitation_id)


def _shown(user: User) -> UserOut:
    return UserOut(
        id=user.id,
        email=user.email,
        role=user.role,
        has_password=user.password_hash is not None,
        created_at=user.created_at,
        signed_in_at=user.signed_in_at,
    )

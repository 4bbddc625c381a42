"""Who is signed in, and the ways in: password, first admin's link, invitation. Passkeys and OIDC have files of their own.

Every way in gives a new session id, and is refused to foreign pages as any write by session is:
signing somebody in as somebody else is an attack, too.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from doorward.core.caller import Caller, Role
from doorward.core.errors import UpstreamFailed
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk
from doorward.edge.control_plane.fields import Answer, Body, SecretIn
from doorward.edge.origin import check_write
from doorward.identity.carriers import cookie
from doorward.identity.custody import POLICIES, WITH_LOGIN, Custody
from doorward.identity.desk import Desk
from doorward.store.users import User

routes = router("session")

Email = Annotated[str, Field(min_length=3, max_length=255)]
Token = Annotated[str, Field(min_length=1, max_length=200)]


class SignedIn(Answer):
    id: str
    email: str
    role: Role


class SessionOut(Answer):
    """What a page needs to know before anything else."""

    user: SignedIn | None = Field(description="null: nobody is signed in.")
    custody: Custody
    set_up_open: bool = Field(description="There is no admin yet: the link that Doorward printed makes the first.")
    passkeys: bool = Field(description="Passkeys can work at this address.")
    oidc: str | None = Field(description="The name of the OIDC provider; null: there is none.")


class SignedOut(Answer):
    logout_url: str | None = Field(description="Go there to be signed out of the OIDC provider, too.")


class PasswordIn(Body):
    email: Email
    password: SecretIn


class SetUpIn(Body):
    token: Token
    email: Email
    password: SecretIn | None = Field(None, description="Left out: register a passkey next, with the session that this opens.")


class InvitationToken(Body):
    token: Token


class AcceptIn(InvitationToken):
    password: SecretIn | None = Field(None, description="Left out: register a passkey next, with the session that this opens.")


class InvitedOut(Answer):
    email: str
    role: Role


@routes.get("/api/v1/session")
@declared(auth="public")
async def who_am_i(desk: HasDesk, request: Request) -> SessionOut:
    """Who is signed in by this browser's cookie, and how one can sign in."""
    caller = await session_caller(desk, request)
    user = await desk.users.by_id(caller.user_id) if caller is not None and caller.user_id else None
    return SessionOut(
        user=SignedIn(id=user.id, email=user.email, role=user.role) if user is not None else None,
        custody=desk.custody,
        set_up_open=POLICIES[desk.custody].login and await desk.first_run.is_open(),
        passkeys=desk.site.passkeys_work,
        oidc=desk.oidc.name if desk.oidc is not None else None,
    )


@routes.post("/api/v1/session", response_model=SignedIn)
@declared(auth="public", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def sign_in(desk: HasDesk, request: Request, wish: PasswordIn, from_addr: FromAddr) -> Response:
    """Sign in by password. After five failures waits begin, and grow."""
    own_page(desk, request)
    user = await desk.sign_in.by_password(wish.email, wish.password, from_addr=from_addr)
    return await signed_in(desk, request, user, "password", from_addr)


@routes.delete("/api/v1/session", response_model=SignedOut)
@declared(auth="public", modes=WITH_LOGIN, audits_itself=True)
async def sign_out(desk: HasDesk, request: Request, from_addr: FromAddr) -> Response:
    """End this session, here at once and everywhere within 5 s. Without one there is nothing to do."""
    own_page(desk, request)
    caller = await session_caller(desk, request)
    logout_url = None
    if caller is not None and caller.user_id is not None and caller.session_id is not None:
        logout_url = await _logout_url(desk, caller.session_id, caller.user_id)
        await desk.sessions.end(caller.session_id, caller.user_id)
        await desk.audit.append(caller, "session.end", f"user:{caller.user_id}", from_addr=from_addr)
    return JSONResponse(SignedOut(logout_url=logout_url).model_dump(), headers={"set-cookie": desk.sessions.clear_cookie()})


@routes.post("/api/v1/setup", status_code=201, response_model=SignedIn)
@declared(auth="public", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def set_up(desk: HasDesk, request: Request, wish: SetUpIn, from_addr: FromAddr) -> Response:
    """Make the first admin, with the one-time link that Doorward printed at its start."""
    own_page(desk, request)
    user = await desk.first_run.finish(wish.token, wish.email, wish.password, from_addr=from_addr)
    return await signed_in(desk, request, user, "setup", from_addr, status=201)


@routes.post("/api/v1/invitations/look")
@declared(auth="public", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def look_at_invitation(desk: HasDesk, wish: InvitationToken) -> InvitedOut:
    """For whom an invitation is. It is not used up."""
    email, role = await desk.invitations.look(wish.token)
    return InvitedOut(email=email, role=role)


@routes.post("/api/v1/invitations/accept", status_code=201, response_model=SignedIn)
@declared(auth="public", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def accept_invitation(desk: HasDesk, request: Request, wish: AcceptIn, from_addr: FromAddr) -> Response:
    """Become a user. The link works once, and for a day."""
    own_page(desk, request)
    user = await desk.invitations.accept(wish.token, wish.password, from_addr=from_addr)
    return await signed_in(desk, request, user, "invitation", from_addr, status=201)


def own_page(desk: Desk, request: Request) -> None:
    """Refuse a sign-in that a foreign page sends."""
    check_write(request.method, request.scope["headers"], desk.site, desk.custody, None)


async def session_caller(desk: Desk, request: Request) -> Caller | None:
    """Who is signed in in this browser now."""
    token = cookie(request.scope["headers"], desk.sessions.cookie_name)
    return await desk.sessions.caller(token) if token and POLICIES[desk.custody].login else None


async def open_session(desk: Desk, request: Request, user: User, how: str, from_addr: str) -> str:
    """A new session in place of this browser's own -> the `Set-Cookie` value."""
    before = await session_caller(desk, request)
    replaces = before.session_id if before is not None and before.user_id == user.id else None
    agent = request.headers.get("user-agent", "")
    return desk.sessions.set_cookie(await desk.sign_in.open(user, how, agent=agent, from_addr=from_addr, replaces=replaces))


async def signed_in(desk: Desk, request: Request, user: User, how: str, from_addr: str, *, status: int = 200) -> Response:
    set_cookie = await open_session(desk, request, user, how, from_addr)
    said = SignedIn(id=user.id, email=user.email, role=user.role)
    return JSONResponse(said.model_dump(), status, headers={"set-cookie": set_cookie})


async def _logout_url(desk: Desk, session_id: str, user_id: str) -> str | None:
    mine = {row.id: row for row in await desk.sessions.of_user(user_id)}
    row = mine.get(session_id)
    if desk.oidc is None or row is None or row.how != "oidc":
        return None
    try:
        return await desk.oidc.logout_url()
    except UpstreamFailed:  # signing out here must not depend on the provider
        return None

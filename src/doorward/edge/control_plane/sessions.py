"""`/api/v1/me/sessions` and `/api/v1/me/password`: where I am signed in, and how to end that."""

from __future__ import annotations

from fastapi import Response
from pydantic import Field

from doorward.core.errors import Forbidden, NotFound, Unauthenticated, Unprocessable
from doorward.edge.control_plane.caller import Calling
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk
from doorward.edge.control_plane.fields import Answer, Body, Deleted, SecretIn
from doorward.identity.custody import SIGN_IN, WITH_LOGIN

routes = router("sessions")


class SessionOut(Answer):
    id: str
    how: str = Field(description="password, passkey, oidc, setup or invitation.")
    agent: str = Field(description="What the browser says it is.")
    from_addr: str
    created_at: float
    last_seen_at: float
    expires_at: float
    current: bool = Field(description="The session that asks.")


class SessionList(Answer):
    data: list[SessionOut]


class Ended(Answer):
    ended: int


class PasswordChange(Body):
    current: SecretIn | None = Field(None, description="The password of before; needed if there is one.")
    password: SecretIn


@routes.get("/api/v1/me/sessions")
@declared(auth="either", scope="me", modes=WITH_LOGIN)
async def list_mine(desk: HasDesk, caller: Calling) -> SessionList:
    """Where I am signed in, the newest first."""
    return SessionList(
        data=[
            SessionOut(
                id=row.id,
                how=row.how,
                agent=row.agent,
                from_addr=row.from_addr,
                created_at=row.created_at,
                last_seen_at=row.last_seen_at,
                expires_at=row.expires_at,
                current=row.id == caller.session_id,
            )
            for row in await desk.sessions.of_user(caller.user_id or "")
        ]
    )


@routes.delete("/api/v1/me/sessions/{session_id}")
@declared(auth="either", scope="me", modes=WITH_LOGIN)
async def end_one(desk: HasDesk, caller: Calling, session_id: str) -> Deleted:
    """End one of my sessions, everywhere within 5 s."""
    if not await desk.sessions.end(session_id, caller.user_id or ""):
        raise NotFound("You have no such session.")
    return Deleted(id=session_id)


@routes.delete("/api/v1/me/sessions")
@declared(auth="either", scope="me", modes=WITH_LOGIN)
async def end_others(desk: HasDesk, caller: Calling) -> Ended:
    """End all of my sessions but the one that asks."""
    return Ended(ended=await desk.sessions.end_all(caller.user_id or "", but=caller.session_id))


@routes.put("/api/v1/me/password", status_code=204)
@declared(auth="session", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=WITH_LOGIN, audits_itself=True)
async def change_password(desk: HasDesk, caller: Calling, wish: PasswordChange, from_addr: FromAddr) -> Response:
    """Set or change my password. My other sessions end."""
    user = await desk.users.by_id(caller.user_id or "")
    if user is None:
        raise Unauthenticated(SIGN_IN)
    if user.password_hash is not None:
        if wish.current is None:
            raise Unprocessable("current is missing: send the password of before.", param="current")
        try:
            await desk.sign_in.by_password(user.email, wish.current, from_addr=from_addr)
        except Unauthenticated:  # a 401 would say that the session is over
            raise Forbidden("The current password is wrong.") from None
    await desk.users.set_password(user.id, wish.password, actor=caller, keep_session=caller.session_id, from_addr=from_addr)
    return Response(status_code=204)

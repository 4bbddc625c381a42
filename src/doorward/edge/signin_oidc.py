"""OIDC over HTTP: to the provider, and back."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from doorward.core.errors import NotFound, Unauthenticated
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk
from doorward.edge.origin import check_own
from doorward.edge.session import open_session, session_caller
from doorward.identity.carriers import cookie
from doorward.identity.custody import SIGN_IN, WITH_LOGIN
from doorward.identity.desk import Desk
from doorward.identity.oidc import CALLBACK, Oidc

routes = router("oidc")


@routes.get("/api/v1/session/oidc/start", status_code=303, response_class=RedirectResponse)
@declared(auth="public", modes=WITH_LOGIN)
async def start(desk: HasDesk, request: Request, return_to: str = "/", link: bool = False) -> Response:
    """To the provider's sign-in page. `link`: add it to the ways in of who is signed in now."""
    oidc = _provider(desk)
    caller = None
    if link:
        # a foreign page must not add a way in to somebody's account, not even half-way
        check_own(request.scope["headers"], desk.site, needs_proof=False)
        caller = await session_caller(desk, request)
        if caller is None:
            raise Unauthenticated(SIGN_IN)
    url, browser = await oidc.start(return_to, link_to=caller)
    return RedirectResponse(url, 303, headers={"set-cookie": oidc.set_cookie(browser)})


@routes.get(CALLBACK, status_code=303, response_class=RedirectResponse)
@declared(auth="public", modes=WITH_LOGIN)
async def finish(desk: HasDesk, request: Request, from_addr: FromAddr) -> Response:
    """Back from the provider: checks everything, opens a session, goes on to where the sign-in began."""
    oidc = _provider(desk)
    browser = cookie(request.scope["headers"], oidc.cookie_name)
    caller = await session_caller(desk, request)
    done = await oidc.finish(dict(request.query_params), browser, caller, from_addr=from_addr)
    response = RedirectResponse(desk.site.url(done.return_to), 303)
    response.headers.append("set-cookie", await open_session(desk, request, done.user, "oidc", from_addr))
    response.headers.append("set-cookie", oidc.set_cookie(""))
    return response


def _provider(desk: Desk) -> Oidc:
    if desk.oidc is None:
        raise NotFound("No OIDC provider is set up here. Sign in by passkey or password.")
    return desk.oidc

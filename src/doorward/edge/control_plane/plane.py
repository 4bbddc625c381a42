"""The control plane, put together: every noun's routes, errors in one shape, nothing undeclared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute

from doorward.edge import session, signin_oidc, signin_passkey
from doorward.edge.control_plane import (
    account_states,
    accounts,
    adapters,
    audit,
    budgets,
    call_exports,
    calls,
    errors,
    estimate,
    keys,
    me,
    me_key,
    me_keys,
    overview,
    prices,
    providers,
    routes,
    sessions,
    shell,
    upstreams,
    usage,
    user_states,
    users,
)
from doorward.edge.control_plane.declare import all_declared, declared, router
from doorward.edge.control_plane.parts import Parts

PREFIX = "/api/v1"

CONSOLE = (overview, account_states, adapters)
TRAFFIC = (upstreams, routes)  # what-if before the routes' own names
NOUNS = (me, providers, accounts, keys, call_exports, calls, usage, budgets, prices, estimate, shell, *CONSOLE, *TRAFFIC)
PEOPLE = (session, signin_passkey, signin_oidc, me_key, me_keys, sessions, users, user_states, audit)
"""What exists where people sign in."""

SCHEMES = {
    "clientKey": {"type": "http", "scheme": "bearer", "description": "A client key, dw-..., with the scope that the route needs."}
}

document = router("document")


@document.get("/api/v1/openapi.json", include_in_schema=False)
@declared(auth="public")
async def openapi(request: Request) -> JSONResponse:
    """This document."""
    described = dict(_described(request.app))
    described["components"] = {**described["components"], "securitySchemes": SCHEMES}
    return JSONResponse(described)


def _described(app: FastAPI) -> dict[str, Any]:
    """Made once: the control plane's routes, and those of the doors beside it."""
    if app.openapi_schema is None:
        routes = [*app.routes, *app.state.beside]
        app.openapi_schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=routes)
    return app.openapi_schema


def control_plane(parts: Parts, beside: Iterable[BaseRoute] = ()) -> errors.ControlPlane:
    """An ASGI app for everything below `/api/v1`. `beside`: routes of other doors, for the document.

    Raises `Undeclared` for a route that does not say who may use it.
    """
    app = errors.ControlPlane(
        title="Doorward",
        version=parts.version,
        description="The control plane: providers, accounts, client keys; and the apps.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.beside = list(beside)
    errors.install(app)
    for noun in (*NOUNS, *(PEOPLE if parts.desk is not None else ())):
        app.router.routes.extend(noun.routes.routes)
    app.router.routes.extend(document.routes)
    all_declared(app.router.routes)
    return app

"""What every route of the control plane must say about itself, and the guard that holds it to its word (I13).

    @router.post("/accounts", status_code=201)
    @declared(auth="either", scope="admin", body_cap_bytes=64 * 1024)
    async def add_account(…)

The guard runs before FastAPI reads or validates anything: who calls, with which scope, and how
large a body may be. A route without a declaration raises `Undeclared` where it is defined, so the
program does not start; `all_declared` finds what was added past the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Message, Receive

from doorward.core.caller import Caller, Scope
from doorward.core.errors import BadRequest, BodyTooLarge, Forbidden, Unauthenticated
from doorward.edge.control_plane.fields import ErrorAnswer
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.record import recorded
from doorward.edge.origin import check_write
from doorward.identity.custody import Custody, require_mode

Auth = Literal["public", "key", "session", "either"]
"""Who may come: anybody, a client key, a session's cookie, or one of the two."""

JSON_CAP_BYTES = 64 * 1024
F = TypeVar("F", bound=Callable[..., Any])


class Undeclared(RuntimeError):
    """A route that does not say who may use it: default is deny, so the program does not start."""


@dataclass(frozen=True, slots=True)
class Declaration:
    auth: Auth
    scope: Scope | None
    body_cap_bytes: int
    metered: bool
    """The route makes upstream calls that cost money, and writes ledger rows for them."""
    modes: frozenset[Custody] | None
    """Custody modes in which the route exists; elsewhere it is a 404 `not_in_this_mode`, whoever asks."""
    audits_itself: bool
    """It says more in its row than route and object, or changes nothing; other writes get theirs from the guard."""

    @property
    def is_recorded(self) -> bool:
        """Changes need `me` or `admin`; model calls and estimates are the ledger's, and too many for a chain."""
        return self.scope in ("me", "admin") and not self.metered and not self.audits_itself


def declared(
    *,
    auth: Auth,
    scope: Scope | None = None,
    body_cap_bytes: int = 0,
    metered: bool = False,
    modes: Iterable[Custody] | None = None,
    audits_itself: bool = False,
) -> Callable[[F], F]:
    """`scope=None`: any authenticated caller. `body_cap_bytes=0`: the route takes no body."""
    if auth == "public" and scope is not None:
        raise Undeclared("a public route cannot ask for a scope")

    def mark(endpoint: F) -> F:
        declaration = Declaration(auth, scope, body_cap_bytes, metered, frozenset(modes) if modes else None, audits_itself)
        endpoint.__declaration__ = declaration  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


class Guarded(APIRoute):
    """A route that keeps to its endpoint's declaration."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declaration = getattr(endpoint, "__declaration__", None)
        if not isinstance(declaration, Declaration):
            raise Undeclared(f"{path}: declare authentication, scope, body cap and metering with @declared")
        self.declaration: Declaration = declaration
        security: list[dict[str, list[str]]] = [] if declaration.auth == "public" else [{"clientKey": []}]
        options["openapi_extra"] = {"security": security}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            parts: Parts = request.app.state.parts
            if parts.desk is not None:
                require_mode(parts.desk.custody, self.declaration.modes)
            if self.declaration.auth != "public":
                request.state.caller = await _admitted(parts, request, self.declaration)
            body = await _read_capped(request, self.declaration.body_cap_bytes)
            whole = Request(request.scope, _replay(body, request.receive))
            if parts.desk is None or not self.declaration.is_recorded:
                return await handler(whole)
            return await recorded(parts.desk.audit, parts.peers, request, self.path, lambda: handler(whole))

        return guarded


def router(noun: str) -> APIRouter:
    """A router whose routes are guarded; `noun` groups them in the OpenAPI document."""
    refusals: dict[int | str, dict[str, Any]] = {
        "4XX": {"model": ErrorAnswer, "description": "Refused: the message says what to do"},
        "5XX": {"model": ErrorAnswer, "description": "Doorward or an upstream failed"},
    }
    return APIRouter(route_class=Guarded, tags=[noun], responses=refusals)


def all_declared(routes: Iterable[BaseRoute]) -> None:
    """Raise `Undeclared` if any route could be reached past the guard."""
    for route in routes:
        if not isinstance(route, Guarded):
            raise Undeclared(f"{getattr(route, 'path', route)!s} is no guarded route")


async def _admitted(parts: Parts, request: Request, declaration: Declaration) -> Caller:
    sessions = declaration.auth in ("session", "either")
    from_addr = parts.peers.address(request.scope.get("client"), request.scope["headers"])
    caller = await parts.credentials.resolve(request.scope["headers"], sessions=sessions, from_addr=from_addr)
    if parts.desk is not None:
        check_write(request.method, request.scope["headers"], parts.desk.site, parts.desk.custody, caller)
    if declaration.auth == "session" and caller.session_id is None:
        raise Unauthenticated("Sign in to use this feature")
    if declaration.auth == "key" and caller.key_id is None:
        raise Unauthenticated("Send a client key as Authorization: Bearer dw-...")
    if declaration.scope is not None and declaration.scope not in caller.scopes:
        raise Forbidden(f"This needs the scope {declaration.scope}. Use a key made with --scope {declaration.scope}.")
    return caller


async def _read_capped(request: Request, cap_bytes: int) -> bytes:
    said = request.headers.get("content-length", "0")
    body = bytearray()
    if not said.isdecimal():
        raise BadRequest("Content-Length is not a number.")
    if int(said) > cap_bytes:
        raise _too_large(cap_bytes)
    async for chunk in request.stream():
        body += chunk
        if len(body) > cap_bytes:
            raise _too_large(cap_bytes)
    return bytes(body)


def _too_large(cap_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over {cap_bytes} bytes, the most that this takes." if cap_bytes else "This takes no body.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read, once; then whatever the connection says next."""
    unread = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

    return again

"""The app endpoints inside other people's FastAPI apps: `app.include_router(apps(current_user=…), prefix="/apps")`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Unpack

from fastapi import Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from doorward.apps.routes.asking import SCOPE_KEY, Asking
from doorward.apps.routes.declared import AppRoute
from doorward.apps.routes.every import APPS
from doorward.core.errors import BodyTooLarge, DoorwardError, Forbidden, Unauthenticated
from doorward.core.exchange import Gone, header
from doorward.edge.control_plane.errors import of_validation
from doorward.edge.protocol_ids import fit_request_id
from doorward.identity.custody import SIGN_IN, Custody, require_call
from doorward.routers.custody import CurrentUser, HouseRouter, Question, User, caller_of, from_addr, holds, made
from doorward.routers.house import House
from doorward.routers.options import Options
from doorward.routers.pages import check_signed_in
from doorward.routers.route import refusal, while_connected


def nobody(user: User) -> bool:
    """By default no user of the host's may write prompts and label sets."""
    return False


def apps(
    *,
    current_user: CurrentUser,
    is_admin: Question = nobody,
    custody: Custody = "admin",
    house: House | None = None,
    public_url: str | None = None,
    **options: Unpack[Options],
) -> HouseRouter:
    """Chat, summaries, classification, search, agents and jobs, for the host's users, each with what is their own.

    `custody`: whose stored keys their calls draw on. Raises `BadRequest` for options that do not fit.
    """
    router = made(house.custody if house is not None else custody, house, public_url, options)

    async def asking(request: Request, user: User = Depends(current_user)) -> None:
        caller = caller_of(router.house.custody, user, is_admin=await holds(is_admin, user))
        if request.method != "GET":
            check_signed_in(request.scope["headers"], router.site)
        require_call(router.house.custody, caller)
        rooms = await router.house.rooms()
        scope = request.scope
        tags = header(scope["headers"], b"x-doorward-tags") or b""
        ask = rooms.ask_of(caller, scope["doorward.request_id"], from_addr(request), scope["doorward.router_gone"], tags)
        check_page = partial(check_signed_in, scope["headers"], router.site)
        made_here = Asking(rooms.apps, caller, ask, check_page)
        scope[SCOPE_KEY] = lambda _: made_here
        declared: AppRoute = scope["route"].declared
        if declared.admin and not caller.is_admin:
            raise Forbidden("This is for admins.")

    for noun in APPS:
        for listed in noun.all:
            route = type("Declared", (_Bounded,), {"declared": listed})
            router.add_api_route(
                listed.path,
                listed.endpoint,
                methods=[listed.method],
                status_code=listed.status,
                tags=[noun.noun],
                dependencies=[Depends(asking)],
                route_class_override=route,
                **listed.described(),
            )
    return router


class _Bounded(APIRoute):
    """Reads the body within the endpoint's cap, answers errors in OpenAI's shape, and ends with its client."""

    declared: AppRoute

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            scope = request.scope
            request_id = scope["doorward.request_id"] = fit_request_id(header(scope["headers"], b"x-request-id"))
            gone = scope["doorward.router_gone"] = Gone()
            try:
                body = await _read(request, self.declared.body_cap_bytes)
                response = await while_connected(request, gone, handler(Request(scope, _again(body, request.receive))))
            except DoorwardError as error:
                response = refusal(error, request_id)
            except RequestValidationError as error:
                response = refusal(of_validation(error.errors()), request_id)
            except HTTPException as error:
                if error.status_code != 401:
                    raise
                response = refusal(Unauthenticated(SIGN_IN), request_id)
            response.headers["x-request-id"] = request_id
            response.headers.setdefault("cache-control", "no-store")
            return response

        return answered


async def _read(request: Request, cap_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > cap_bytes:
            raise BodyTooLarge(f"The body is over {cap_bytes} bytes, the most that this takes.")
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    unread = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

    return again

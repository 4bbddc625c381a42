"""What the three custody routers share: how they are made, who is who, and the one-shot chat."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from doorward.apps.ask import one_shot
from doorward.apps.clean import cleaned
from doorward.apps.routes.one_shot import PromptIn, TextOut
from doorward.core.caller import Caller, Role, Scope
from doorward.core.errors import BadRequest, NotInThisMode, Unauthenticated
from doorward.core.exchange import Gone, header
from doorward.core.secret import Secret
from doorward.edge.control_plane.fields import ErrorAnswer
from doorward.edge.control_plane.me_key import Configured, KeyIn
from doorward.identity.custody import SIGN_IN, Custody, draws_on, require_call, require_mode, user_owner
from doorward.identity.site import Site
from doorward.routers.house import House
from doorward.routers.options import Options
from doorward.routers.route import OpenAIRoute, text_field, while_connected

User = Any
"""What the host's `current_user` returns: an id (text, number, UUID), an object with an `id`, or `None` for nobody."""
CurrentUser = Callable[..., Any]
"""A FastAPI dependency of the host's."""
Question = Callable[[Any], bool | Awaitable[bool]]

KEY_CAP_BYTES = 64 * 1024
PROMPT_CAP_BYTES = 1024 * 1024
MAX_ID_CHARS = 128

__all__ = ["Configured", "KeyIn", "TextOut"]


class HouseRouter(APIRouter):
    """A router with the house behind it. Its lifespan comes along with `include_router`; `close` is for hosts without one."""

    def __init__(self, house: House, site: Site) -> None:
        refusals: dict[int | str, dict[str, Any]] = {
            "4XX": {"model": ErrorAnswer, "description": "Refused: the message says what to do"},
            "5XX": {"model": ErrorAnswer, "description": "Doorward or OpenAI failed"},
        }
        super().__init__(route_class=OpenAIRoute, tags=["openai"], responses=refusals, lifespan=house.lifespan)
        self.house = house
        self.site = site

    async def close(self) -> None:
        await self.house.close()


def made(custody: Custody, house: House | None, public_url: str | None, options: Options) -> HouseRouter:
    """Raises `BadRequest` for options that do not fit."""
    if house is None:
        house = House(custody, **options)
    elif options:
        raise BadRequest(f"The house that was given has its options already: {', '.join(options)}.")
    elif house.custody != custody:
        raise BadRequest(f"The house that was given is one of custody {house.custody}, not {custody}.")
    return HouseRouter(house, Site.of(public_url, 8000))


def not_here(router: HouseRouter, path: str, modes: tuple[Custody, ...], *methods: str) -> None:
    """The key endpoints of the other modes answer 404 `not_in_this_mode`, whoever asks (R1)."""

    async def elsewhere() -> Response:
        require_mode(router.house.custody, modes)
        raise NotInThisMode("This is not part of this custody mode.")

    router.add_api_route(path, elsewhere, methods=list(methods), include_in_schema=False)


def body_of(model: type[KeyIn] | type[PromptIn]) -> dict[str, Any]:
    """What the OpenAPI document says of a body that the endpoint reads itself, after it knows who calls."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


KEY_BODY, PROMPT_BODY = body_of(KeyIn), body_of(PromptIn)


def id_of(user: User) -> str:
    """The host's id as text. Raises `Unauthenticated` for nobody."""
    value = getattr(user, "id", user)
    text = "" if value is None or isinstance(value, bool) else str(value).strip()
    if not text or len(text) > MAX_ID_CHARS:
        raise Unauthenticated(SIGN_IN)
    return text


async def holds(question: Question, user: User) -> bool:
    answer = question(user)
    return bool(await answer if inspect.isawaitable(answer) else answer)


def caller_of(custody: Custody, user: User, *, is_admin: bool = False) -> Caller:
    """The host's user as everything below knows callers. The host's word decides, and nothing that the request carries."""
    user_id = id_of(user)
    scopes: frozenset[Scope] = frozenset({"call", "me", "admin"} if is_admin else {"call", "me"})
    role: Role = "admin" if is_admin else "user"
    return Caller(user_owner(user_id), draws_on(custody, user_id), scopes, role, user_id=user_id, label=user_id)


async def key_in(request: Request) -> Secret:
    return Secret(await text_field(request, "key", KEY_CAP_BYTES))


def from_addr(request: Request) -> str:
    return request.client.host[:64] if request.client is not None else ""


async def chat(router: HouseRouter, request: Request, caller: Caller) -> Response:
    """`{"prompt"}` -> `{"text"}` (R48), by the relay: custody, limits, budgets and a ledger row of its own."""
    require_call(router.house.custody, caller)
    given = await text_field(request, "prompt", PROMPT_CAP_BYTES)
    rooms = await router.house.rooms()
    gone = Gone()
    tags = header(request.scope["headers"], b"x-doorward-tags") or b""
    ask = rooms.ask_of(caller, request.scope["doorward.request_id"], from_addr(request), gone, tags)

    async def asked() -> Response:
        defaults = rooms.apps.defaults
        prompt = cleaned(given, "prompt", defaults.max_message_chars)
        prompt = await rooms.apps.guards.through(ask, prompt, app="one_shot")
        text = await one_shot(ask, prompt, defaults.model, defaults.max_tokens, defaults.temperature)
        return JSONResponse({"text": text})

    return await while_connected(request, gone, asked())

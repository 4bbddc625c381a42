"""One key for everybody, set by the host's admins: `/openai-key` and `/chat` (R5)."""

from __future__ import annotations

from typing import Unpack

from fastapi import Depends, Request, Response

from doorward.core.caller import OPERATOR, Caller
from doorward.core.errors import Forbidden
from doorward.identity.custody import OWN_KEYS
from doorward.routers.custody import (
    KEY_BODY,
    PROMPT_BODY,
    Configured,
    CurrentUser,
    HouseRouter,
    Question,
    TextOut,
    User,
    caller_of,
    chat,
    from_addr,
    holds,
    id_of,
    key_in,
    made,
    not_here,
)
from doorward.routers.house import House
from doorward.routers.options import Options
from doorward.routers.pages import check_signed_in


def openai_admin(
    *,
    current_user: CurrentUser,
    is_admin: Question,
    is_user: Question = lambda user: True,
    house: House | None = None,
    public_url: str | None = None,
    **options: Unpack[Options],
) -> HouseRouter:
    """A router to include with any prefix. `is_admin` and `is_user` are asked with what `current_user` returned.

    By default everybody who is signed in may call. Raises `BadRequest` for options that do not fit.
    """
    router = made("admin", house, public_url, options)

    async def signed_in(request: Request, user: User = Depends(current_user)) -> Caller:
        id_of(user)  # nobody is asked about before somebody is there
        caller = caller_of("admin", user, is_admin=await holds(is_admin, user))
        request.state.may_call = caller.is_admin or await holds(is_user, user)
        if request.method != "GET":
            check_signed_in(request.scope["headers"], router.site)
        return caller

    @router.put("/openai-key", status_code=204, openapi_extra=KEY_BODY)
    async def set_key(request: Request, caller: Caller = Depends(signed_in)) -> Response:
        """Store the OpenAI key that everybody shares. For admins."""
        if not caller.is_admin:
            raise Forbidden("Unauthorized: Only admins can set the OpenAI API key")
        key = await key_in(request)
        rooms = await router.house.rooms()
        await rooms.slot.fill(OPERATOR, key, caller, from_addr(request))
        await rooms.refresh()
        return Response(status_code=204)

    @router.get("/openai-key", response_model=Configured)
    async def is_key_set() -> Configured:
        """Whether the shared key is stored. Nothing can show the key."""
        rooms = await router.house.rooms()
        return Configured(configured=await rooms.slot.is_filled(OPERATOR))

    @router.post("/chat", response_model=TextOut, openapi_extra=PROMPT_BODY)
    async def chat_once(request: Request, caller: Caller = Depends(signed_in)) -> Response:
        """Ask once, with the shared key. No history, nothing stored."""
        if not request.state.may_call:
            raise Forbidden("Unauthorized")
        return await chat(router, request, caller)

    not_here(router, "/me/openai-key", OWN_KEYS, "GET", "PUT", "DELETE")
    return router

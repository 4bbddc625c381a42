"""Everybody brings a key of their own: `/me/openai-key` and `/chat` for the host's users (R2, R3, R4)."""

from __future__ import annotations

from typing import Unpack

from fastapi import Depends, Request, Response

from doorward.core.caller import Caller
from doorward.identity.custody import ONE_KEY
from doorward.routers.custody import (
    KEY_BODY,
    PROMPT_BODY,
    Configured,
    CurrentUser,
    HouseRouter,
    TextOut,
    User,
    caller_of,
    chat,
    from_addr,
    key_in,
    made,
    not_here,
)
from doorward.routers.house import House
from doorward.routers.options import Options
from doorward.routers.pages import check_signed_in


def openai_per_user(
    *, current_user: CurrentUser, house: House | None = None, public_url: str | None = None, **options: Unpack[Options]
) -> HouseRouter:
    """A router to include with any prefix. `current_user`: a dependency of the host's that says who is signed in.

    A key is chosen by that identity alone. Raises `BadRequest` for options that do not fit.
    """
    router = made("per_user", house, public_url, options)

    def signed_in(request: Request, user: User = Depends(current_user)) -> Caller:
        caller = caller_of("per_user", user)
        if request.method != "GET":
            check_signed_in(request.scope["headers"], router.site)
        return caller

    @router.put("/me/openai-key", status_code=204, openapi_extra=KEY_BODY)
    async def set_my_key(request: Request, caller: Caller = Depends(signed_in)) -> Response:
        """Store my OpenAI key, in place of the one before. It serves from the next call on."""
        key = await key_in(request)
        rooms = await router.house.rooms()
        await rooms.slot.fill(caller.owner, key, caller, from_addr(request))
        await rooms.refresh()
        return Response(status_code=204)

    @router.get("/me/openai-key", response_model=Configured)
    async def is_my_key_set(caller: Caller = Depends(signed_in)) -> Configured:
        """Whether a key of mine is stored. Nothing can show the key."""
        rooms = await router.house.rooms()
        return Configured(configured=await rooms.slot.is_filled(caller.owner))

    @router.delete("/me/openai-key", status_code=204)
    async def clear_my_key(request: Request, caller: Caller = Depends(signed_in)) -> Response:
        """Forget my OpenAI key. My next call needs a new one."""
        rooms = await router.house.rooms()
        await rooms.slot.empty(caller.owner, caller, from_addr(request))
        await rooms.refresh()
        return Response(status_code=204)

    @router.post("/chat", response_model=TextOut, openapi_extra=PROMPT_BODY)
    async def chat_once(request: Request, caller: Caller = Depends(signed_in)) -> Response:
        """Ask once, with my key. No history, nothing stored."""
        return await chat(router, request, caller)

    not_here(router, "/openai-key", ONE_KEY, "GET", "PUT")
    return router

"""One key for every visitor, without any login: `/openai-key` and `/chat` (R6). Only under a spend cap."""

from __future__ import annotations

from typing import Unpack

from fastapi import Depends, Request, Response

from doorward.core.caller import OPERATOR, Caller
from doorward.identity.custody import OWN_KEYS
from doorward.routers.custody import (
    KEY_BODY,
    PROMPT_BODY,
    Configured,
    HouseRouter,
    TextOut,
    chat,
    from_addr,
    key_in,
    made,
    not_here,
)
from doorward.routers.house import House
from doorward.routers.options import Options
from doorward.routers.pages import check_anonymous, check_near


def openai_anonymous(*, house: House | None = None, public_url: str | None = None, **options: Unpack[Options]) -> HouseRouter:
    """A router to include with any prefix. `spend_cap_usd` must be given, or `DOORWARD_SPEND_CAP_USD` be set.

    It answers this machine alone unless `allow_public_anonymous` or `DOORWARD_ALLOW_PUBLIC_ANONYMOUS` says otherwise; an app
    with a name of its own says it by `public_url`, for writes from foreign pages are refused. Raises `BadRequest`.
    """
    router = made("anonymous", house, public_url, options)

    def near(request: Request) -> None:
        if not router.house.settings.allow_public_anonymous:
            check_near(request)

    async def visitor(request: Request, _: None = Depends(near)) -> Caller:
        check_anonymous(request.scope["headers"], router.site)
        rooms = await router.house.rooms()
        # A credential that is not of our form is ignored; a `dw-` key is checked as everywhere.
        return await rooms.credentials.resolve(request.scope["headers"], from_addr=from_addr(request))

    @router.put("/openai-key", status_code=204, openapi_extra=KEY_BODY)
    async def set_key(request: Request, caller: Caller = Depends(visitor)) -> Response:
        """Store the OpenAI key that every visitor shares, in place of the one before."""
        key = await key_in(request)
        rooms = await router.house.rooms()
        await rooms.slot.fill(OPERATOR, key, caller, from_addr(request))
        await rooms.refresh()
        return Response(status_code=204)

    @router.get("/openai-key", response_model=Configured)
    async def is_key_set(_: None = Depends(near)) -> Configured:
        """Whether the shared key is stored. Nothing can show the key."""
        rooms = await router.house.rooms()
        return Configured(configured=await rooms.slot.is_filled(OPERATOR))

    @router.post("/chat", response_model=TextOut, openapi_extra=PROMPT_BODY)
    async def chat_once(request: Request, caller: Caller = Depends(visitor)) -> Response:
        """Ask once, with the shared key. No history, nothing stored."""
        return await chat(router, request, caller)

    not_here(router, "/me/openai-key", OWN_KEYS, "GET", "PUT", "DELETE")
    return router

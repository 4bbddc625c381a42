"""A route inside the host's app that answers errors in OpenAI's shape, and leaves the host's own to the host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from doorward.core.errors import BadRequest, BodyTooLarge, DoorwardError, Unauthenticated, Unprocessable
from doorward.core.exchange import Gone, Header, header
from doorward.edge.protocol_ids import fit_request_id
from doorward.identity.custody import SIGN_IN
from doorward.wire import envelope

_CLIENT_LEFT = 499


class OpenAIRoute(APIRoute):
    """Every answer bears `x-request-id` and is not stored. A host's 401 becomes ours; its other refusals stay its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            request_id = fit_request_id(header(request.scope["headers"], b"x-request-id"))
            request.scope["doorward.request_id"] = request_id
            try:
                response = await handler(request)
            except DoorwardError as error:
                response = refusal(error, request_id)
            except HTTPException as error:
                if error.status_code != 401:
                    raise
                # What the host says about how to sign in (WWW-Authenticate) goes along.
                told = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
                response = refusal(Unauthenticated(SIGN_IN), request_id, told)
            response.headers["x-request-id"] = request_id
            response.headers["cache-control"] = "no-store"
            return response

        return answered


def refusal(error: DoorwardError, request_id: str, extra: list[Header] | None = None) -> Response:
    headers, content = envelope.answer(error, request_id)
    response = Response(content, error.status)
    response.raw_headers = [*headers, *(extra or [])]
    return response


async def text_field(request: Request, name: str, cap_bytes: int) -> str:
    """The one field of a JSON body. Read only now: whoever may not come in is refused before. Nothing sent is repeated."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > cap_bytes:
            raise BodyTooLarge(f"The body is over {cap_bytes} bytes, the most that this takes.")
    try:
        given = msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(given, dict):
        raise BadRequest(f'The body must be a JSON object: {{"{name}": "..."}}.')
    if name not in given:
        raise Unprocessable(f"{name} is missing.", param=name)
    if len(given) > 1:
        raise Unprocessable(f"There is a field that is not known here. The only one is {name}.")
    value = given[name]
    if not isinstance(value, str) or not value:
        raise Unprocessable(f"{name} must be a text that is not empty.", param=name)
    return value


async def while_connected(request: Request, gone: Gone, work: Coroutine[Any, Any, Response]) -> Response:
    """Do `work` until it is done or the client has left, which ends it at once (R20). The body must have been read."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        gone.happen()
        return Response(status_code=_CLIENT_LEFT)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

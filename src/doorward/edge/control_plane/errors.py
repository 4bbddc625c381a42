"""Everything that goes wrong on the control plane, in the one shape (R21, I11).

FastAPI and Starlette answer errors in shapes of their own; here each becomes one of core's
errors and goes through `wire/envelope`. A validation error names the field and the rule, never
what was sent: that might be a key in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from doorward.core.errors import BadRequest, BodyTooLarge, DoorwardError, MethodNotAllowed, NotFound, TooSlow, Unprocessable
from doorward.telemetry.logs import named
from doorward.wire import envelope

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,40}")

log = named("doorward.control_plane")


class ControlPlane(FastAPI):
    """FastAPI inside two promises: `x-request-id` on every answer, and no exception past this line."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_id = scope["doorward.request_id"].encode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [item for item in message["headers"] if item[0] != b"x-request-id"]
                message["headers"] = [*kept, (b"x-request-id", request_id), (b"cache-control", b"no-store")]
            await send(message)

        try:
            await super().__call__(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # it left within its own request: nobody is there to answer, and nothing failed
        except Exception as error:
            # Starlette has answered 500 by the handler below and raises again for the log: this is the log.
            log.exception("internal_error", request_id=scope["doorward.request_id"], cause=type(error).__name__)


def install(app: FastAPI) -> None:
    app.add_exception_handler(DoorwardError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def _answer(request: Request, error: DoorwardError, extra: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    headers, content = envelope.answer(error, request.scope["doorward.request_id"])
    response = Response(content, error.status)
    response.raw_headers = [*headers, *extra]
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DoorwardError)
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, of_validation(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: 404, 405, and what FastAPI says of a body it cannot read."""
    assert isinstance(error, HTTPException)
    allow = (error.headers or {}).get("Allow", "")
    if error.status_code == 405:
        said = MethodNotAllowed(f"{request.method} is not allowed here. Allowed: {allow}.")
        return _answer(request, said, [(b"allow", allow.encode())])
    known: dict[int, DoorwardError] = {
        404: NotFound("There is nothing at this path. GET /api/v1/openapi.json lists what there is.", code="unknown_url"),
        408: TooSlow("The request did not arrive in time. Send it again."),
        413: BodyTooLarge("The body is larger than this takes."),
    }
    return _answer(request, known.get(error.status_code, BadRequest("The body could not be read. Send JSON in UTF-8.")))


async def _unforeseen(request: Request, error: Exception) -> Response:
    return _answer(request, DoorwardError("Doorward failed inside. The log has the cause under this request id."))


_PLACES = {("body",), ("query",), ("path",), ("header",)}
"""Where a field stands, which FastAPI says before its name."""


def of_validation(found: Sequence[Any]) -> DoorwardError:
    """The first finding, by the field's name. Only names that can be ours are repeated."""
    first = found[0]
    kind, place = first["type"], first["loc"][1:] if first["loc"][:1] in _PLACES else first["loc"]
    if kind == "json_invalid":
        return BadRequest("The body is not valid JSON.")
    field = ".".join(part if isinstance(part, str) and _FIELD.fullmatch(part) else "…" for part in map(_index, place))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        named, known = str(first["ctx"]["discriminator"]).strip("'"), first["ctx"].get("expected_tags", "those in the document")
        return Unprocessable(f"{named} must be one of {known}.", param=named)
    if not field:
        return BadRequest("The body must be a JSON object, sent with Content-Type: application/json.")
    if kind == "extra_forbidden":
        return Unprocessable("There is a field that is not known here. GET /api/v1/openapi.json lists the fields.", param=None)
    if kind == "missing":
        return Unprocessable(f"{field} is missing.", param=field)
    reason = first["msg"].removeprefix("Value error, ")
    return Unprocessable(f"{field}: {reason[:1].lower()}{reason[1:]}", param=field)


def _index(part: object) -> object:
    return f"item_{part}" if isinstance(part, int) else part

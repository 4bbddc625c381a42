"""The one writer of errors: ``{"error": {"message", "type", "param", "code"}}``, as JSON, headers or an event.

Also the reader of upstreams' errors, which come in several shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from doorward.core.errors import DoorwardError
from doorward.core.exchange import Header
from doorward.wire.scrub import Scrubber, scrub

__all__ = ["Scrubber", "UpstreamError", "answer", "body", "event", "headers", "read_upstream", "scrub"]

_MAX_MESSAGE_CHARS = 4000


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """What an upstream said was wrong, as far as it could be read; scrubbed."""

    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None


def body(error: DoorwardError) -> bytes:
    """The JSON body. JSON escapes every line break, so it also fits an event's `data:` line."""
    shape = {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}
    try:
        encoded = msgspec.json.encode(shape)
    except UnicodeEncodeError:
        # A lone surrogate in a message that quotes the client: shown as "?" rather than lost with the error.
        shape["error"] = {key: value and value.encode(errors="replace").decode() for key, value in shape["error"].items()}
        encoded = msgspec.json.encode(shape)
    return scrub(encoded)


def headers(error: DoorwardError, request_id: str, *, content_length: int | None = None) -> list[Header]:
    """All headers of an error's answer. `content_length` saves encoding the body twice."""
    length = len(body(error)) if content_length is None else content_length
    result: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(length).encode()),
        (b"x-request-id", request_id.encode()),
        *error.headers,
    ]
    if error.should_retry is False:
        result.append((b"x-should-retry", b"false"))
    if error.retry_after_s is not None:
        wait_s = max(0.0, error.retry_after_s)
        result.append((b"retry-after", str(math.ceil(wait_s)).encode()))
        result.append((b"retry-after-ms", str(math.ceil(wait_s * 1000)).encode()))
    return result


def answer(error: DoorwardError, request_id: str) -> tuple[list[Header], bytes]:
    """Headers and body of an error, encoded once."""
    content = body(error)
    return headers(error, request_id, content_length=len(content)), content


def event(error: DoorwardError) -> bytes:
    """The one event that ends a broken stream; OpenAI's SDKs raise on it. No `[DONE]` follows."""
    return b"data: " + body(error) + b"\n\n"


def read_upstream(body: bytes) -> UpstreamError:
    """An upstream's error body -> its parts. Never raises: what cannot be read gives an empty message.

    Known shapes: OpenAI's; ``{"error": "text"}``; ``{"message": …}`` and ``{"detail": …}`` at the top; a
    list of one of these (Gemini's compatible API); `code` as a number.
    """
    try:
        shape = msgspec.json.decode(scrub(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UpstreamError("")
    if isinstance(shape, list) and shape:
        shape = shape[0]
    if not isinstance(shape, dict):
        return UpstreamError(_text(shape) or "")
    inner = shape.get("error")
    if isinstance(inner, str):
        return UpstreamError(inner[:_MAX_MESSAGE_CHARS], _text(shape.get("type")), None, _text(shape.get("code")))
    source = inner if isinstance(inner, dict) else shape
    message = _text(source.get("message")) or _text(source.get("detail")) or ""
    code = _text(source.get("code")) or _text(source.get("status"))
    return UpstreamError(message[:_MAX_MESSAGE_CHARS], _text(source.get("type")), _text(source.get("param")), code)


def _text(value: Any) -> str | None:
    """A string as it is, a number as text, anything else as nothing."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

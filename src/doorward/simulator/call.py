"""What an endpoint of the simulator gets, and what it gives back.

Call      one request, read whole
Whole     an answer of one piece
Streamed  server-sent events, each with the tokens it delivers
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from doorward.core.errors import BadRequest, BodyTooLarge, UnknownModel
from doorward.providers.tokens import encoding_for
from doorward.simulator.shelf import Shelf

T = TypeVar("T")
Json = dict[str, Any]
Frame = tuple[bytes, int]
"""(the bytes of one or more whole events, output tokens in them)."""

DONE = b"data: [DONE]\n\n"
TEXT_MODEL = "sim-gpt-4o-mini"


@dataclass(slots=True)
class Call:
    method: str
    path: str
    query_string: bytes
    headers: dict[bytes, bytes]
    body: bytes
    created: int
    """Unix seconds of its arrival."""
    shelf: Shelf
    any_model: bool = True
    answer_tokens: int | None = None
    """Length of a text answer, in tokens, when a test wants to know it beforehand."""
    ids: tuple[str, ...] = ()
    """What stood in the variable parts of the path."""
    model: str | None = None
    streamed: bool = False
    parsed: Json | None = field(default=None)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string.decode("latin-1")))

    def json(self) -> Json:
        """The body as an object; remembers model and stream for the log. Raises `BadRequest`."""
        if self.parsed is None:
            try:
                found = msgspec.json.decode(self.body)
            except (msgspec.DecodeError, RecursionError):
                raise BadRequest("We could not parse the JSON body of your request. Send a JSON object.") from None
            if not isinstance(found, dict):
                raise BadRequest(f"The body must be a JSON object, not {_kind(found)}.")
            self.parsed = found
            self.streamed = found.get("stream") is True
            self.names(found.get("model"))
        return self.parsed

    def names(self, model: object) -> None:
        """Remember the model that was asked for. Raises `UnknownModel`."""
        if isinstance(model, str):
            self.model = model
            if not self.any_model and not model.lower().startswith("sim-"):
                message = f"The model '{model[:80]}' does not exist in the simulator: its models begin with sim-."
                raise UnknownModel(message, param="model")

    def digest(self, *more: object) -> str:
        """40 hex digits that the same request gives again: ids of answers that are stored nowhere."""
        asked = b"\0".join([self.path.encode(), self.body, repr(more).encode()])
        return hashlib.sha1(asked, usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Whole:
    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    tokens_in: int = 0
    tokens_out: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Streamed:
    frames: Iterator[Frame]
    tokens_in: int = 0
    end: bytes = DONE
    """The end marker, apart so that it can be left out; the responses API has none."""


Answer = Whole | Streamed


def as_json(value: object, **more: Any) -> Whole:
    return Whole(msgspec.json.encode(value), **more)


def event(value: object, name: str = "") -> bytes:
    data = b"data: " + msgspec.json.encode(value) + b"\n\n"
    return b"event: " + name.encode() + b"\n" + data if name else data


def counted_as(model: str) -> str:
    """The model whose encoding counts for this one: an upstream always knows its own tokens."""
    return model if encoding_for(model) else TEXT_MODEL


def wanted(body: Json, name: str, kind: type[T]) -> T:
    """A field that must be there. Raises `BadRequest` in OpenAI's words."""
    value = body.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, kind):
        raise _wrong_type(name, kind, value)
    return value


def maybe(body: Json, name: str, kind: type[T]) -> T | None:
    """A field that may be left out or null. Raises `BadRequest` for another type."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise _wrong_type(name, kind, value)
    return value


def missing(param: str, hint: str = "") -> BadRequest:
    return BadRequest(f"Missing required parameter: '{param}'.{hint}", param=param, code="missing_required_parameter")


def invalid(param: str, why: str, code: str = "invalid_value") -> BadRequest:
    """`why` says what would be right."""
    return BadRequest(f"Invalid '{param}': {why}", param=param, code=code)


def whole_number(body: Json, name: str, least: int, most: int) -> int | None:
    """An integer within bounds, or `None` when it is left out."""
    value = maybe(body, name, int)
    if value is not None and not least <= value <= most:
        raise BadRequest(f"Invalid '{name}': {value} is not between {least} and {most}.", param=name, code="integer_out_of_range")
    return value


def number(body: Json, name: str, least: float, most: float) -> float | None:
    """A number within bounds, or `None` when it is left out."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(name, float, value)
    if not least <= value <= most:
        raise BadRequest(f"Invalid '{name}': it is not between {least:g} and {most:g}.", param=name, code="decimal_out_of_range")
    return float(value)


def too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over the simulator's limit of {limit_bytes} bytes: send less.")


_NAMES = {str: "a string", int: "an integer", list: "an array", dict: "an object", bool: "a boolean", float: "a number"}


def _kind(value: object) -> str:
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def _wrong_type(name: str, kind: type, value: object) -> BadRequest:
    message = f"Invalid type for '{name}': expected {_NAMES.get(kind, kind.__name__)}, but got {_kind(value)} instead."
    return BadRequest(message, param=name, code="invalid_type")

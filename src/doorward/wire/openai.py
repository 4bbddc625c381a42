"""The few fields of a JSON request that we read, and the two that we may set.

Bodies go upstream as the bytes that came; a field is replaced by splicing, never by encoding again.
What we read must be what the upstream reads: a key that stands twice is refused, because another
parser may take the other one.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from doorward.core.errors import BadRequest
from doorward.core.exchange import Asks
from doorward.wire import fields
from doorward.wire.fields import Field

MAX_MODEL_CHARS = 256

_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_KINDS: dict[str, type] = {
    "model": str,
    "n": int,
    **dict.fromkeys(_LIMITS, int),
    "previous_response_id": str,
    "stream": bool,
    "service_tier": str,
}
_READ = frozenset({*_KINDS, "stream_options"})

# Where OpenAI's reference lets a request name stored objects: fields that hold an id themselves …
_NAMES_OBJECT = ("conversation", "input_file_id", "training_file", "validation_file")
# … fields whose values hold ids further down …
_HOLDS_OBJECTS = ("input", "messages", "tools", "tool_resources", "prompt", "images", "mask", "attachments")
# … and the keys that carry them there. `id` counts only in an item_reference.
_ID_KEYS = frozenset({"file_id", "file_ids", "vector_store_ids", "container", "container_id"})
_MUST_BE_SINGLE = _READ | {*_NAMES_OBJECT, *_HOLDS_OBJECTS}
# An ASCII letter or underscore spelt as an escape: no encoder does it, so a key spelt so is meant to hide.
_HIDDEN = re.compile(rb"\\u00(?:5[fF]|[46][1-9a-fA-F]|[57][0-9aA])")

_TYPES: dict[type, str] = {str: "a string", int: "an integer", bool: "a boolean", dict: "an object"}
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(kind) for kind in _TYPES}


def read_asks(body: bytes) -> Asks:
    """A JSON body -> `Asks`. Raises `BadRequest`, naming the field in `param` where there is one."""
    values = _values(body)
    said: dict[str, Any] = {}
    for name, value in values.items():
        if (kind := _KINDS.get(name)) is not None:
            said[name] = _decode(value, name, kind)
    model = said.get("model")
    if model is not None:
        check_model(model)
    n = said.get("n")
    if n is not None and n < 1:
        raise BadRequest("`n` must be at least 1.", param="n")
    limits = [limit for name in _LIMITS if (limit := said.get(name)) is not None]
    options = values.get("stream_options")
    previous = said.get("previous_response_id")
    return Asks(
        model=model,
        stream=said.get("stream") or False,
        include_usage=options is not None and _include_usage(options),
        n=1 if n is None else n,
        # Several limits: which one an upstream obeys is its own affair, so the largest is the bound.
        max_output_tokens=max(limits) if limits else None,
        previous_response_id=previous,
        service_tier=said.get("service_tier"),
        object_ids=_object_ids(body, values, previous),
    )


def _values(body: bytes) -> dict[str, bytes]:
    """Each top-level field's JSON. Raises `BadRequest` where one that we read stands twice."""
    if (plain := fields.plain_values(body)) is not None:
        return plain
    values: dict[str, bytes] = {}
    for name, start, end in _found(body):
        if name in values and name in _MUST_BE_SINGLE:
            raise BadRequest(f"`{name}` stands twice in the body; send it once.", param=name)
        values[name] = body[start:end]
    return values


def check_model(model: str) -> None:
    """A model's name goes into logs, rows and messages: raises `BadRequest` if it could not be one."""
    if not 0 < len(model) <= MAX_MODEL_CHARS or not model.isprintable():
        raise BadRequest(f"`model` must be 1 to {MAX_MODEL_CHARS} printable characters.", param="model")


def with_field(body: bytes, name: str, value: bytes) -> bytes:
    """Set a top-level field to `value` (JSON bytes); every other byte stays. Absent, it is added last."""
    return _with(body, _found(body), name, value)


def _with(body: bytes, found: list[Field], name: str, value: bytes) -> bytes:
    spots = [field for field in found if field.name == name]
    if not spots:
        end = body.rindex(b"}")
        return b"".join((body[:end], b"," if found else b"", msgspec.json.encode(name), b":", value, body[end:]))
    for field in reversed(spots):
        body = b"".join((body[: field.start], value, body[field.end :]))
    return body


def with_model(body: bytes, model: str) -> bytes:
    return with_field(body, "model", msgspec.json.encode(model))


def with_include_usage(body: bytes) -> bytes:
    """Ask for the usage chunk (`stream_options.include_usage`), keeping the client's other options."""
    found = _found(body)
    for field in found:
        if field.name == "stream_options":
            options = body[field.start : field.end]
            if options != b"null":
                return _with(body, found, "stream_options", with_field(options, "include_usage", b"true"))
    return _with(body, found, "stream_options", b'{"include_usage":true}')


def _found(body: bytes) -> list[Field]:
    try:
        return fields.find(body)
    except fields.NotAnObject:
        raise BadRequest("The body must be a JSON object.") from None
    except fields.TooDeep:
        raise BadRequest(f"The body is nested deeper than {fields.MAX_DEPTH} levels; flatten it.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None


def _decode(raw: bytes, name: str, kind: type) -> Any:
    """A field's value, or `None` for `null`, which every upstream reads as "not set"."""
    if raw == b"null":
        return None
    try:
        return _DECODERS[kind].decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(f"`{name}` must be {_TYPES[kind]}.", param=name) from None


def _include_usage(options: bytes) -> bool:
    if options == b"null":
        return False
    _decode(options, "stream_options", dict)
    asked = [field for field in _found(options) if field.name == "include_usage"]
    if len(asked) > 1:
        raise BadRequest("`include_usage` stands twice in `stream_options`; send it once.", param="stream_options")
    return bool(asked and _decode(options[asked[0].start : asked[0].end], "stream_options.include_usage", bool))


def _object_ids(body: bytes, values: dict[str, bytes], previous: str | None) -> tuple[str, ...]:
    """Ids of stored objects that the body names, each once, in order."""
    ids: dict[str, None] = {previous: None} if previous else {}
    for name in _NAMES_OBJECT:
        if (value := values.get(name)) is not None:
            _collect(_decode_any(value, name), ids, inside_id=True)
    if _may_hold_ids(body):
        for name in _HOLDS_OBJECTS:
            if (value := values.get(name)) is not None:
                _collect(_decode_any(value, name), ids)
    return tuple(ids)


def _may_hold_ids(body: bytes) -> bool:
    """Whether the body is worth decoding for ids; written out because it runs on every call."""
    return (
        b"file_id" in body
        or b"vector_store_ids" in body
        or b'"container' in body
        or b"item_reference" in body
        or (b"\\u00" in body and _HIDDEN.search(body) is not None)
    )


def _decode_any(raw: bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(f"`{name}` holds text that is not valid UTF-8.", param=name) from None


def _collect(value: Any, ids: dict[str, None], *, inside_id: bool = False) -> None:
    """Walk decoded JSON. `inside_id`: strings, and an object's `id`, are ids here."""
    if isinstance(value, str):
        if inside_id and value:
            ids[value] = None
    elif isinstance(value, list):
        for item in value:
            _collect(item, ids, inside_id=inside_id)
    elif isinstance(value, dict):
        names_item = inside_id or value.get("type") == "item_reference"
        for key, item in value.items():
            if key in _ID_KEYS or (key == "id" and names_item):
                _collect(item, ids, inside_id=True)
            elif isinstance(item, (dict, list)):
                _collect(item, ids)

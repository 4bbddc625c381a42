"""The frames of a stream, byte for byte (R42)."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from doorward.core.errors import DoorwardError
from doorward.store.runs import Step
from doorward.wire import envelope

Form = Literal["json", "text"]

DONE = b"data: [DONE]\n\n"
# JSON allows these inside a string, but clients that split lines as people do would cut a frame at them.
_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_JSON = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for every frame
_LINES = re.compile(r"\r\n|\n|\r")


def frame(value: dict[str, Any], event: str | None = None) -> bytes:
    """``data: {"delta": "…"}`` and an empty line."""
    text = _JSON.encode(value).translate(_BREAKS)
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode("utf-8", "replace")


def delta(text: str, form: Form = "json") -> bytes:
    """A piece of text; as plain text every line of it is a `data:` line, as the format of events asks."""
    if form == "json":
        return frame({"delta": text})
    lines = "".join(f"data: {line}\n" for line in _LINES.split(text))
    return f"{lines}\n".encode("utf-8", "replace")


def step(done: Step) -> bytes:
    """What an agent did: ``data: {"step": {"number", "kind", "details"}}``."""
    return frame({"step": {"number": done.number, "kind": done.kind, "details": done.details}})


def error(refusal: DoorwardError, form: Form = "json") -> bytes:
    """The last frame of a stream that broke; no `[DONE]` follows. Among plain text its event has a name."""
    return (b"event: error\n" if form == "text" else b"") + envelope.event(refusal)

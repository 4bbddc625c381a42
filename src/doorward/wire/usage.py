"""Usage as providers write it: in whole answers and in events of streams.

Everything here is pure and forgiving: a field of the wrong type counts as absent, nothing raises.
Field names are those of OpenAI's API reference; what compatible providers add is named where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from doorward.core.usage import Usage
from doorward.wire.usage_said import Said, forgiving, name_of, of_plain, usage_of

_TOOLS = {"web_search_call": "web_searches", "file_search_call": "file_searches", "code_interpreter_call": "code_sessions"}
_USAGE_KEY = b'"usage"'
_PLAIN = frozenset({"chat", "completion", "embedding"})
"""Kinds whose answers say all that they cost in `usage` and `service_tier`."""


class Heard(msgspec.Struct):
    """What one event or answer said. `final`: no later event of this stream will say more."""

    usage: Usage | None = None
    text: str = ""
    """Text that the model wrote, tool arguments included: what its output tokens are made of."""
    final: bool = False
    only_usage: bool = False
    """A chunk that stands there for its usage alone: the one that `include_usage` adds."""
    finished: int = 0
    """Choices that ended with this event; of `responses`, 1 for the answer as a whole."""
    is_error: bool = False
    """Instead of a chunk, an error in OpenAI's shape."""


NOTHING = Heard()
MALFORMED = Heard()
"""The event is no JSON at all. Told apart by being this one."""

_RESPONSE_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NO_ERROR: tuple[Any, ...] = (None, {}, "", False)


class _Choice(msgspec.Struct, gc=False):
    delta: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    """Nearly every event of a stream; whatever has more to say, or is not quite so, is looked at with more care."""

    choices: list[_Choice]
    usage: dict[str, Any] | None = None
    error: Any = None


_plain_chunk = msgspec.json.Decoder(_Chunk).decode
_well_formed = msgspec.json.Decoder(msgspec.Raw).decode
"""Checks that an event is JSON, and keeps nothing of it."""


def of_event(kind: str, data: bytes) -> Heard:
    """One event's data, read once for all that the relay asks of it."""
    is_chunk = kind == "chat" or kind == "completion"
    if is_chunk and (said := _of_plain_chunk(kind, data)) is not None:
        return said
    event = _object(data)
    if event is None:
        return NOTHING if _is_json(data) else MALFORMED
    if is_chunk:
        return _chunk(event, kind)
    said = Heard()
    name = event.get("type")
    response = event.get("response")
    if isinstance(response, dict) and isinstance(response.get("usage"), dict):
        said.usage = of_object(response, kind)
    elif isinstance(event.get("usage"), dict):
        said.usage = of_object(event, kind)
    said.final = said.usage is not None
    if isinstance(name, str):
        if name.endswith(".delta") and isinstance(delta := event.get("delta"), str):
            said.text = delta
        said.finished = 1 if name in _RESPONSE_ENDS else 0
    return said


def _of_plain_chunk(kind: str, data: bytes) -> Heard | None:
    """A chunk that says text, or that a choice has ended, and no more than that; else `None`."""
    try:
        chunk = _plain_chunk(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if chunk.usage is not None or chunk.error is not None or not chunk.choices:
        return None
    text = ""
    finished = 0
    for choice in chunk.choices:
        if choice.finish_reason is not None:
            finished += 1
        if kind == "completion":
            text += choice.text or ""
        elif delta := choice.delta:
            only = delta.get("content") if len(delta) == 1 else None
            text += only if type(only) is str else "".join(_texts_of(delta))
    return Heard(None, text, False, False, finished)


def _chunk(event: Mapping[str, Any], kind: str) -> Heard:
    choices = event.get("choices")
    if not isinstance(choices, list):
        choices = []
    texts = []
    is_last = not choices
    finished = 0
    for choice in choices:
        if isinstance(choice, dict):
            texts += _texts_of(choice.get("delta")) if kind == "chat" else _strings(choice.get("text"))
            is_last = is_last or choice.get("finish_reason") is not None
            finished += isinstance(choice.get("finish_reason"), str)
    usage = of_object(event, kind) if isinstance(event.get("usage"), dict) else None
    is_error = not finished and event.get("error") not in _NO_ERROR
    return Heard(usage, "".join(texts), usage is not None and is_last, usage is not None and not choices, finished, is_error)


def of_answer(kind: str, data: bytes) -> Heard:
    """A whole JSON answer. `final` if it says its usage; `text` only if it does not."""
    if kind in _PLAIN and (usage := of_plain(data)) is not None:
        return Heard(usage, final=True)
    answer = _object(data)
    if answer is None:
        return NOTHING
    usage = of_object(answer, kind)
    if usage is not None:
        return Heard(usage, final=True)
    return Heard(text="".join(_answer_texts(answer)))


def of_tail(kind: str, tail: bytes) -> Heard:
    """The end of a JSON answer that was too large to keep: its last `"usage"` object."""
    at = len(tail)
    while (at := tail.rfind(_USAGE_KEY, 0, at)) >= 0:
        brace = tail.find(b"{", at)
        if brace >= 0 and tail[at + len(_USAGE_KEY) : brace].strip() == b":":
            found = _object(tail[brace : _closing(tail, brace)])
            if found is not None and (usage := of_object({"usage": found}, kind)) is not None:
                return Heard(usage, final=True)
    return NOTHING


def _closing(data: bytes, brace: int) -> int:
    """After the brace that closes the one at `brace`. Usage objects hold no braces in strings."""
    depth = 0
    for at in range(brace, len(data)):
        if data[at] == 0x7B:
            depth += 1
        elif data[at] == 0x7D:
            depth -= 1
            if not depth:
                return at + 1
    return len(data)


def of_object(answer: Mapping[str, Any], kind: str) -> Usage | None:
    """The usage of an answer, a chunk, or a `response` inside an event; `None` if it does not say it."""
    said = answer.get("usage")
    if not isinstance(said, dict):
        duration = answer.get("duration") if kind == "transcript" else None
        return Usage(seconds=seconds) if (seconds := _seconds(duration)) else None
    if kind == "transcript" and (seconds := _seconds(said.get("seconds"))):
        return Usage(seconds=seconds)
    usage = usage_of(forgiving(Said, said))
    if usage is None:
        return None
    if kind == "image":
        usage.output_image_tokens = usage.output_image_tokens or usage.output_tokens
        images = answer.get("data")
        usage.images = len(images) if isinstance(images, list) else 0
        usage.image_size, usage.image_quality = name_of(answer.get("size")), name_of(answer.get("quality"))
    elif kind == "speech":
        usage.output_audio_tokens = usage.output_audio_tokens or usage.output_tokens
    usage.service_tier = name_of(answer.get("service_tier"))
    if kind == "responses":
        _hosted_tools(usage, answer.get("output"))
    return usage


def _hosted_tools(usage: Usage, output: Any) -> None:
    for item in output if isinstance(output, list) else ():
        name = _TOOLS.get(item.get("type", "")) if isinstance(item, dict) and isinstance(item.get("type"), str) else None
        if name is not None:
            setattr(usage, name, getattr(usage, name) + 1)


def _answer_texts(answer: Mapping[str, Any]) -> Iterator[str]:
    for choice in _list(answer.get("choices")):
        if isinstance(choice, dict):
            yield from _texts_of(choice.get("message"))
            yield from _strings(choice.get("text"))
    for item in _list(answer.get("output")):
        if isinstance(item, dict):
            yield from _texts_of(item)


def _texts_of(message: Any) -> list[str]:
    """Everything in a message, a delta or an output item that the model wrote."""
    if not isinstance(message, dict):
        return []
    texts = []
    for name, value in message.items():
        if name in ("content", "refusal", "reasoning", "reasoning_content", "arguments", "name", "summary", "text"):
            texts += _strings(value)
        elif name == "tool_calls":
            for call in _list(value):
                if isinstance(call, dict):
                    texts += _texts_of(call.get("function"))
        elif name == "function_call":
            texts += _texts_of(value)
        elif name == "audio" and isinstance(value, dict):
            texts += _strings(value.get("transcript"))
    return texts


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for part in _list(value) for text in (_texts_of(part) if isinstance(part, dict) else _strings(part))]


def _is_json(data: bytes) -> bool:
    try:
        _well_formed(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 10**7 else 0.0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""Usage as providers write it: in whole answers and in events of streams.

Everything here is pure and forgiving: a field of the wrong type counts as absent, nothing raises.
Field names are those of OpenAI's API reference; what compatible providers add is named where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from doorward.core.usage import Usage

_MOST = 2**53
"""No count is larger: beyond it JSON numbers stop being exact."""
_TOOLS = {"web_search_call": "web_searches", "file_search_call": "file_searches", "code_interpreter_call": "code_sessions"}
_USAGE_KEY = b'"usage"'
_PLAIN = frozenset({"chat", "completion", "embedding"})
"""Kinds whose answers say all that they cost in `usage` and `service_tier`."""

Count = Annotated[int, msgspec.Meta(ge=0, lt=_MOST)] | None


class _CachedKinds(msgspec.Struct, gc=False):
    audio_tokens: Count = None
    image_tokens: Count = None


class _Read(msgspec.Struct, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    cached_tokens_details: _CachedKinds | None = None


class _Wrote(msgspec.Struct, gc=False):
    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class _Said(msgspec.Struct, gc=False):
    """A `usage` object, by all the names that its parts go by."""

    prompt_tokens: Count = None
    input_tokens: Count = None
    completion_tokens: Count = None
    output_tokens: Count = None
    prompt_tokens_details: _Read | None = None
    input_tokens_details: _Read | None = None
    input_token_details: _Read | None = None
    completion_tokens_details: _Wrote | None = None
    output_tokens_details: _Wrote | None = None
    output_token_details: _Wrote | None = None
    # DeepSeek's name for cached tokens, and Anthropic's, where their OpenAI-compatible APIs pass them on
    prompt_cache_hit_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None


class _Answer(msgspec.Struct, gc=False):
    usage: _Said | None = None
    service_tier: str | None = None


_read_plain = msgspec.json.Decoder(_Answer).decode
_PARTS: dict[str, type[msgspec.Struct]] = {
    **dict.fromkeys(("prompt_tokens_details", "input_tokens_details", "input_token_details"), _Read),
    **dict.fromkeys(("completion_tokens_details", "output_tokens_details", "output_token_details"), _Wrote),
    "cached_tokens_details": _CachedKinds,
}
_S = TypeVar("_S", bound=msgspec.Struct)


@dataclass(slots=True)
class Heard:
    """What one event or answer said. `final`: no later event of this stream will say more."""

    usage: Usage | None = None
    text: str = ""
    """Text that the model wrote, tool arguments included: what its output tokens are made of."""
    final: bool = False
    only_usage: bool = False
    """A chunk that stands there for its usage alone: the one that `include_usage` adds."""


NOTHING = Heard()


def of_event(kind: str, data: bytes) -> Heard:
    """One event's data."""
    event = _object(data)
    if event is None:
        return NOTHING
    if kind == "chat" or kind == "completion":
        return _chunk(event, kind)
    said = Heard()
    name = event.get("type")
    response = event.get("response")
    if isinstance(response, Mapping) and isinstance(response.get("usage"), Mapping):
        said.usage = of_object(response, kind)
    elif isinstance(event.get("usage"), Mapping):
        said.usage = of_object(event, kind)
    said.final = said.usage is not None
    if isinstance(name, str) and name.endswith(".delta") and isinstance(delta := event.get("delta"), str):
        said.text = delta
    return said


def _chunk(event: Mapping[str, Any], kind: str) -> Heard:
    choices = event.get("choices")
    if not isinstance(choices, list):
        choices = []
    texts = []
    finished = not choices
    for choice in choices:
        if isinstance(choice, Mapping):
            texts += _texts_of(choice.get("delta")) if kind == "chat" else _strings(choice.get("text"))
            finished = finished or choice.get("finish_reason") is not None
    usage = of_object(event, kind) if isinstance(event.get("usage"), Mapping) else None
    return Heard(usage, "".join(texts), usage is not None and finished, usage is not None and not choices)


def of_answer(kind: str, data: bytes) -> Heard:
    """A whole JSON answer. `final` if it says its usage; `text` only if it does not."""
    if kind in _PLAIN and (usage := _of_plain(data)) is not None:
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
    if not isinstance(said, Mapping):
        duration = answer.get("duration") if kind == "transcript" else None
        return Usage(seconds=seconds) if (seconds := _seconds(duration)) else None
    if kind == "transcript" and (seconds := _seconds(said.get("seconds"))):
        return Usage(seconds=seconds)
    usage = _usage_of(_forgiving(_Said, said))
    if usage is None:
        return None
    if kind == "image":
        usage.output_image_tokens = usage.output_image_tokens or usage.output_tokens
        images = answer.get("data")
        usage.images = len(images) if isinstance(images, list) else 0
        usage.image_size, usage.image_quality = _name(answer.get("size")), _name(answer.get("quality"))
    elif kind == "speech":
        usage.output_audio_tokens = usage.output_audio_tokens or usage.output_tokens
    usage.service_tier = _name(answer.get("service_tier"))
    if kind == "responses":
        _hosted_tools(usage, answer.get("output"))
    return usage


def _of_plain(data: bytes) -> Usage | None:
    """The usual answer in one reading; `None` for one that has to be forgiven something, or says no usage."""
    try:
        answer = _read_plain(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    usage = _usage_of(answer.usage) if answer.usage is not None else None
    if usage is not None:
        usage.service_tier = _name(answer.service_tier)
    return usage


def _forgiving(kind: type[_S], said: Mapping[str, Any]) -> _S:
    """What is of the right type in `said`."""
    found: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        part = _PARTS.get(name)
        if part is None:
            found[name] = _count(said.get(name))
        elif isinstance(said.get(name), Mapping):
            found[name] = _forgiving(part, said[name])
    return kind(**found)


def _usage_of(said: _Said) -> Usage | None:
    """Kinds of tokens, each at most as many as the total it is part of. `None`: neither total is said."""
    tokens_in = said.prompt_tokens if said.prompt_tokens is not None else said.input_tokens
    tokens_out = said.completion_tokens if said.completion_tokens is not None else said.output_tokens
    if tokens_in is None and tokens_out is None:
        return None
    usage = Usage(input_tokens=tokens_in or 0, output_tokens=tokens_out or 0)
    read = said.prompt_tokens_details or said.input_tokens_details or said.input_token_details or _NOTHING_READ
    hit = said.prompt_cache_hit_tokens if said.prompt_cache_hit_tokens is not None else said.cache_read_input_tokens
    usage.cached_tokens = min(read.cached_tokens or hit or 0, usage.input_tokens)
    written = read.cache_write_tokens if read.cache_write_tokens is not None else read.cache_creation_tokens
    usage.cache_write_tokens = min(written or said.cache_creation_input_tokens or 0, usage.input_tokens)
    usage.input_audio_tokens = min(read.audio_tokens or 0, usage.input_tokens)
    usage.input_image_tokens = min(read.image_tokens or 0, usage.input_tokens)
    if (kinds := read.cached_tokens_details) is not None:
        usage.cached_audio_tokens = min(kinds.audio_tokens or 0, usage.cached_tokens, usage.input_audio_tokens)
        rest = usage.cached_tokens - usage.cached_audio_tokens
        usage.cached_image_tokens = min(kinds.image_tokens or 0, rest, usage.input_image_tokens)
    wrote = said.completion_tokens_details or said.output_tokens_details or said.output_token_details
    if wrote is not None:
        usage.reasoning_tokens = min(wrote.reasoning_tokens or 0, usage.output_tokens)
        usage.output_audio_tokens = min(wrote.audio_tokens or 0, usage.output_tokens)
        usage.output_image_tokens = min(wrote.image_tokens or 0, usage.output_tokens)
    return usage


_NOTHING_READ = _Read()


def _hosted_tools(usage: Usage, output: Any) -> None:
    for item in output if isinstance(output, list) else ():
        name = _TOOLS.get(item.get("type", "")) if isinstance(item, Mapping) and isinstance(item.get("type"), str) else None
        if name is not None:
            setattr(usage, name, getattr(usage, name) + 1)


def _answer_texts(answer: Mapping[str, Any]) -> Iterator[str]:
    for choice in _list(answer.get("choices")):
        if isinstance(choice, Mapping):
            yield from _texts_of(choice.get("message"))
            yield from _strings(choice.get("text"))
    for item in _list(answer.get("output")):
        if isinstance(item, Mapping):
            yield from _texts_of(item)


def _texts_of(message: Any) -> list[str]:
    """Everything in a message, a delta or an output item that the model wrote."""
    if not isinstance(message, Mapping):
        return []
    texts = []
    for name, value in message.items():
        if name in ("content", "refusal", "reasoning", "reasoning_content", "arguments", "name", "summary", "text"):
            texts += _strings(value)
        elif name == "tool_calls":
            for call in _list(value):
                if isinstance(call, Mapping):
                    texts += _texts_of(call.get("function"))
        elif name == "function_call":
            texts += _texts_of(value)
        elif name == "audio" and isinstance(value, Mapping):
            texts += _strings(value.get("transcript"))
    return texts


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for part in _list(value) for text in (_texts_of(part) if isinstance(part, Mapping) else _strings(part))]


def _object(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _count(value: Any) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST:
        return int(value)
    return None


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 10**7 else 0.0


def _name(value: Any) -> str | None:
    return value[:32] if isinstance(value, str) and value else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

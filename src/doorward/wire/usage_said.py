"""What a `usage` object says, by all the names that its parts go by -> `Usage`.

Read in one pass where everything is of the right type, and with more care where it is not: what is of a wrong type
counts as absent. One set of rules for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from doorward.core.usage import Usage

_MOST = 2**53
"""No count is larger: beyond it JSON numbers stop being exact."""

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


class Said(msgspec.Struct, gc=False):
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
    usage: Said | None = None
    service_tier: str | None = None


_read_plain = msgspec.json.Decoder(_Answer).decode
_PARTS: dict[str, type[msgspec.Struct]] = {
    **dict.fromkeys(("prompt_tokens_details", "input_tokens_details", "input_token_details"), _Read),
    **dict.fromkeys(("completion_tokens_details", "output_tokens_details", "output_token_details"), _Wrote),
    "cached_tokens_details": _CachedKinds,
}
_S = TypeVar("_S", bound=msgspec.Struct)


def of_plain(data: bytes) -> Usage | None:
    """The usual answer in one reading; `None` for one that has to be forgiven something, or says no usage."""
    try:
        answer = _read_plain(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    usage = usage_of(answer.usage) if answer.usage is not None else None
    if usage is not None:
        usage.service_tier = name_of(answer.service_tier)
    return usage


def forgiving(kind: type[_S], said: Mapping[str, Any]) -> _S:
    """What is of the right type in `said`."""
    found: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        part = _PARTS.get(name)
        if part is None:
            found[name] = _count(said.get(name))
        elif isinstance(said.get(name), dict):
            found[name] = forgiving(part, said[name])
    return kind(**found)


def usage_of(said: Said) -> Usage | None:
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


def _count(value: Any) -> int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST:
        return int(value)
    return None


def name_of(value: Any) -> str | None:
    return value[:32] if isinstance(value, str) and value else None

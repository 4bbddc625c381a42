"""What a call used, in the units that providers bill. Money is set on it by `providers.prices`."""

from __future__ import annotations

import enum

from msgspec import Struct


class Source(enum.StrEnum):
    """Where an amount comes from (R35)."""

    UPSTREAM = "upstream"
    COUNTED = "counted"
    ESTIMATED = "estimated"


class Usage(Struct, omit_defaults=True, gc=False):
    """Units that a call used. Token kinds are disjoint from each other only where said. The journal keeps what is not 0."""

    input_tokens: int = 0
    """All input tokens, cached and audio ones included."""
    cached_tokens: int = 0
    """All cached input, of whatever kind."""
    cached_audio_tokens: int = 0
    """Of the cached ones; part of `input_audio_tokens` too."""
    cached_image_tokens: int = 0
    cache_write_tokens: int = 0
    input_audio_tokens: int = 0
    output_tokens: int = 0
    """All output tokens, reasoning and audio ones included."""
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    seconds: float = 0.0
    characters: int = 0
    images: int = 0
    image_size: str | None = None
    image_quality: str | None = None
    web_searches: int = 0
    """Calls of a hosted tool; each is billed apart from its tokens."""
    file_searches: int = 0
    code_sessions: int = 0
    service_tier: str | None = None
    """As the answer says (``default``, ``flex``, ``priority``); `None` = it says nothing: the standard price."""
    source: Source = Source.UPSTREAM

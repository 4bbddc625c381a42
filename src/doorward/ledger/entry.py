"""One call's page in the book: everything a call learns on its way, in one mutable place.

The pipeline opens an entry for every call and settles it once, however the call ends. Rooms
write what they decided into it; nobody reads it back to decide.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from doorward.core.caller import Caller
from doorward.core.exchange import Exchange
from doorward.core.money import Nanos
from doorward.providers.route import Route


class Source(enum.StrEnum):
    """Where an amount comes from (R35)."""

    UPSTREAM = "upstream"
    COUNTED = "counted"
    ESTIMATED = "estimated"


@dataclass(slots=True)
class Usage:
    """Units that a call used. Token kinds are disjoint from each other only where said."""

    input_tokens: int = 0
    """All input tokens, cached and audio ones included."""
    cached_tokens: int = 0
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
    source: Source = Source.UPSTREAM


class AttemptState(enum.StrEnum):
    PLANNED = "planned"
    CONNECTING = "connecting"
    SENT = "sent"
    HEADERS = "headers"
    FIRST_EVENT = "first_event"
    DONE = "done"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    """Ended with a complete answer that was an error, or before a byte was written: not billed."""


@dataclass(slots=True)
class Attempt:
    """One upstream call, at most once billed."""

    number: int
    provider_id: str
    account_id: str | None
    model: str | None
    started_s: float
    """Monotonic."""
    state: AttemptState = AttemptState.PLANNED
    status: int | None = None
    upstream_id: str | None = None
    """The upstream's own `x-request-id`."""
    first_event_s: float | None = None
    ended_s: float | None = None
    reason: str = ""
    """Why it ended as it did, for "why?": host and cause, never content."""
    usage: Usage | None = None
    cost: Nanos | None = None
    """`None` = the price is not known."""
    price_version: str | None = None


@dataclass(slots=True)
class Entry:
    """`id` is the call's `x-request-id`."""

    id: str
    caller: Caller
    exchange: Exchange
    endpoint: str
    """The path's template, `/v1/chat/completions`, never an id."""
    started_s: float
    wall_s: float
    route: Route | None = None
    attempts: list[Attempt] = field(default_factory=list)
    status: int | None = None
    error_code: str | None = None
    model_served: str | None = None
    first_byte_s: float | None = None
    cache: str = "off"
    tags: tuple[str, ...] = ()
    delivered_text: int = 0
    """Bytes of answer text that reached the client, for settling an interrupted stream."""
    facts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The call's decisions in order, for "why?": (step, details); no content, no secret."""

    def note(self, step: str, **details: Any) -> None:
        self.facts.append((step, details))

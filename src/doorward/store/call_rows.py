"""The book's rows. Their fields are the tables' columns in order, so that a row is a tuple away from its INSERT.

Amounts are nano-dollars, `None` = not known; times unix seconds; spans milliseconds. No content, no secret.
"""

from __future__ import annotations

import msgspec


class CallRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `calls`; the fields are the table's columns in order. Times: unix seconds; spans: milliseconds."""

    opening: str
    """Start id of the process, and the call's number in it: what makes the row unique."""
    id: str
    """The call's `x-request-id`; clients may send one id twice."""
    process: str
    owner: str
    key_id: str | None
    key_label: str
    user_id: str | None
    endpoint: str
    tags: str
    """JSON list."""
    streamed: bool
    model_asked: str | None
    model_served: str | None
    provider_id: str | None
    account_id: str | None
    outcome: str
    """done · gone (the client left) · cut (the answer broke off) · failed · refused · crashed (we did)."""
    status: int | None
    error_code: str | None
    cache: str
    attempts: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanos: int | None
    held_nanos: int | None
    source: str
    reason: str
    price_version: str | None
    started_at: float
    first_byte_ms: float | None
    duration_ms: float | None
    settled_at: float
    facts: str
    """JSON list of [step, details]."""


class AttemptRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `attempts`: one upstream call. Spans count from the call's start."""

    opening: str
    number: int
    provider_id: str
    account_id: str | None
    model: str | None
    state: str
    status: int | None
    upstream_id: str | None
    reason: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    units: str
    """JSON object of every other unit that is not 0."""
    cost_nanos: int | None
    held_nanos: int | None
    source: str
    price_version: str | None
    started_ms: float
    first_event_ms: float | None
    ended_ms: float | None


class Settled(msgspec.Struct, array_like=True, gc=False):
    """A call's terminal row and its attempts'. The book writes both or neither."""

    call: CallRow
    attempts: list[AttemptRow]


class Refusal(msgspec.Struct, frozen=True, order=True, gc=False):
    """Key of a row in `refusals`: one a key, endpoint, reason and minute. Absent ids are the empty text."""

    minute: int
    """Unix minutes."""
    owner: str
    key_id: str
    user_id: str
    endpoint: str
    code: str

"""Calls of a batch that count alike, added up once: what roll-ups and tallies are made of.

A batch is nearly all of a few kinds, so that each call costs one look-up here, and the dozen rows that it adds
to are worked out for its kind.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from doorward.store.call_rows import CallRow

BUCKET_S = 900
REFUSED = "refused"
"""Outcome of calls that are in `calls` as samples only: counted in `refusals`, never here."""
FAILED = frozenset({"failed", "cut", "crashed"})
CACHED = frozenset({"hit", "joined"})
MEASURES = (
    "calls",
    "failed_calls",
    "cached_calls",
    "unknown_cost_calls",
    "estimated_calls",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanos",
)

BINS_A_DOUBLING = 4
"""A bin is 19 % wide: that exact is a percentile."""
MOST_BIN = 100
_EDGES = [2.0 ** (number / BINS_A_DOUBLING) for number in range(1, MOST_BIN + 1)]


def bucket_of(unix_s: float) -> int:
    """Start of the quarter of an hour, unix seconds. A call belongs to the one in which it was let in."""
    return int(unix_s // BUCKET_S) * BUCKET_S


def bin_of(ms: float) -> int:
    return bisect_right(_EDGES, ms)


class Group(Struct, frozen=True, gc=False):
    """What calls have in common. Absent ids are the empty text."""

    measures: list[int]
    """In `MEASURES`' order."""
    bucket: int
    owner: str
    key_id: str
    user_id: str
    model: str
    provider_id: str
    endpoint: str
    tags: str
    """JSON list."""
    account_id: str | None
    error: str
    """What failed; the empty text: it went well."""
    is_cached: bool
    first_byte_bin: int | None
    """`None`: the call says nothing about speed."""


def grouped(calls: Iterable[CallRow]) -> list[Group]:
    """Refused calls are left out."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for call in calls:
        outcome = call.outcome
        if outcome == REFUSED:
            continue
        error = (call.error_code or outcome) if outcome in FAILED else ""
        is_cached = call.cache in CACHED
        first_ms, cost = call.first_byte_ms, call.cost_nanos
        kind = (  # `Group`'s fields in order
            bucket_of(call.started_at),
            call.owner,
            call.key_id or "",
            call.user_id or "",
            call.model_served or call.model_asked or "",
            call.provider_id or "",
            call.endpoint,
            call.tags,
            call.account_id,
            error,
            is_cached,
            None if first_ms is None or error or is_cached else bin_of(first_ms),
        )
        measures = sums.get(kind)
        if measures is None:
            measures = sums[kind] = [0] * len(MEASURES)
        measures[0] += 1
        if cost is None:
            measures[3] += 1
        else:
            measures[9] += cost
        if call.source != "upstream":
            measures[4] += 1
        measures[5] += call.input_tokens
        measures[6] += call.cached_tokens
        measures[7] += call.output_tokens
        measures[8] += call.reasoning_tokens
    return list(_groups(sums))


def _groups(sums: dict[tuple[Any, ...], list[int]]) -> Iterator[Group]:
    for kind, measures in sums.items():
        group = Group(measures, *kind)
        measures[1] = measures[0] if group.error else 0
        measures[2] = measures[0] if group.is_cached else 0
        yield group

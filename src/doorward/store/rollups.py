"""Sums of calls by quarter of an hour, kept in the same transaction as the calls themselves.

Reports read nothing else, so that they are fast on any number of calls; `doorward ledger verify`
adds the calls up again and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table

from doorward.store.address import Dialect
from doorward.store.call_rows import CallRow
from doorward.store.insert import insert
from doorward.store.lists import read
from doorward.store.tables.money import rollups

BUCKET_S = 900
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
KEYS = tuple(column.name for column in rollups.primary_key)
REFUSED = "refused"
"""Outcome of calls that are in `calls` as samples only: counted in `refusals`, never here."""

Sums = dict[tuple[Any, ...], list[int]]
"""Key columns in `KEYS`' order -> measures in `MEASURES`' order."""


def bucket_of(unix_s: float) -> int:
    """Start of the quarter of an hour, unix seconds. A call belongs to the one in which it was let in."""
    return int(unix_s // BUCKET_S) * BUCKET_S


def measures_of(call: CallRow) -> tuple[int, ...]:
    return (
        1,
        call.outcome in ("failed", "cut", "crashed"),
        call.cache in ("hit", "joined"),
        call.cost_nanos is None,
        call.source != "upstream",
        call.input_tokens,
        call.cached_tokens,
        call.output_tokens,
        call.reasoning_tokens,
        call.cost_nanos or 0,
    )


def add_up(calls: Iterable[CallRow]) -> Sums:
    """Roll-up rows that these calls add to."""
    sums: Sums = {}
    for call in calls:
        if call.outcome == REFUSED:
            continue
        measures = measures_of(call)
        model = call.model_served or call.model_asked or ""
        tags = ("",) if call.tags == "[]" else ("", *read(call.tags))
        for tag in tags:
            key = (
                bucket_of(call.started_at),
                call.owner,
                call.key_id or "",
                call.user_id or "",
                model,
                call.provider_id or "",
                call.endpoint,
                tag,
            )
            row = sums.get(key)
            if row is None:
                sums[key] = list(measures)
            else:
                for index, value in enumerate(measures):
                    row[index] += value
    return sums


def adding(dialect: Dialect, table: Table, measures: tuple[str, ...]) -> Any:
    """INSERT that adds to the row that is there already."""
    statement = insert(dialect, table)
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={name: table.c[name] + statement.excluded[name] for name in measures},
    )

"""Is anything wrong, and where does the money go: figures of a period beside those of the period before, and series.

Everything comes from tallies, so that it costs the same with a thousand calls and with ten million.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from doorward.ledger.reports import NO_KEY, NO_USER, Period
from doorward.store.engine import Store
from doorward.store.groups import BUCKET_S, bucket_of
from doorward.store.rollups import Rollups
from doorward.store.tallies import MEASURES, Range, Tallies, percentile_ms

MOST_SERIES = 5
OTHER = "Other"
MOST_RANKED = 8
QUARTERS_UP_TO_S = 26 * 3600
HOURS_UP_TO_S = 8 * 86400
HOURS_STEP_S = 3 * 3600
LAST_PROBLEM_S = 30 * 86400

Names = Callable[[Collection[str]], Awaitable[dict[str, str]]]
"""Ids -> what people call them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Money in nano-dollars, spans in milliseconds; `None` = not known."""

    calls: int
    failed_calls: int
    refused_calls: int
    cached_calls: int
    unknown_cost_calls: int
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    saved_nanos: int | None
    """What calls answered from the cache would have cost at their model's mean of this period."""
    first_byte_p50_ms: float | None
    first_byte_p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    values: list[int]


@dataclass(frozen=True, slots=True)
class Ranked:
    id: str
    name: str
    calls: int
    unknown_cost_calls: int
    cost_nanos: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`starts`: the first second of each step; every series has one value for each."""

    starts: list[int]
    now: Figures
    before: Figures
    spend: list[Series]
    calls: list[int]
    first_byte_p50_ms: list[float | None]
    first_byte_p95_ms: list[float | None]
    errors: list[Series]
    top_keys: list[Ranked]
    top_users: list[Ranked]
    models: list[str]
    """Of the period, whatever it is narrowed to: the dearest first."""
    last_problem_at: int | None
    has_calls: bool
    """Ever, not only in this period."""


def steps(over: Period) -> list[int]:
    """Quarters of an hour up to a day, three hours up to a week, days of the zone beyond; the first holds `from_s`."""
    length_s = over.to_s - over.from_s
    if length_s <= QUARTERS_UP_TO_S:
        return list(range(bucket_of(over.from_s), int(over.to_s - 1e-6) + 1, BUCKET_S))
    first = datetime.fromtimestamp(over.from_s, over.zone).date()
    if length_s <= HOURS_UP_TO_S:
        midnight = int(datetime(first.year, first.month, first.day, tzinfo=over.zone).timestamp())
        start = midnight + int((over.from_s - midnight) // HOURS_STEP_S) * HOURS_STEP_S
        return list(range(start, int(over.to_s - 1e-6) + 1, HOURS_STEP_S))
    last = datetime.fromtimestamp(over.to_s - 1e-6, over.zone).date()
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [int(datetime(day.year, day.month, day.day, tzinfo=over.zone).timestamp()) for day in days]


class Overviews:
    def __init__(self, store: Store) -> None:
        self._tallies = Tallies(store)
        self._rollups = Rollups(store)

    async def running(self, wall_s: float, key_id: str, model: str) -> tuple[int, dict[str, int]]:
        """The quarter of an hour under way -> (its start, sums by measure)."""
        bucket = bucket_of(wall_s)
        found = await self._tallies.sums("model", Range(bucket, wall_s + BUCKET_S, key_id, model))
        return bucket, dict(zip(MEASURES, _added(found.values()), strict=True))

    async def of(self, over: Period, key_id: str, model: str) -> Overview:
        """`""` = every key, every model."""
        starts = steps(over)
        span = Range(starts[0], over.to_s, key_id, model)
        step_s = math.gcd(*(after - start for start, after in pairwise(starts))) or BUCKET_S
        before = Range(starts[0] - (over.to_s - starts[0]), starts[0], key_id, model)
        tallies = self._tallies
        # one after the other: eight short reads, and no page of one viewer takes all of the database's readers
        spent = await tallies.series("model", span, step_s, *MEASURES)
        first_bytes = await tallies.series("first_byte", span, step_s, "calls")
        failed = await tallies.series("error", span, step_s, "calls")
        refused = await tallies.refusals(span)
        keys = await tallies.sums("key", span)
        users = await tallies.sums("user", span) if not key_id else {}
        models = await tallies.sums("model", Range(starts[0], over.to_s))
        earlier = await tallies.sums("model", before)
        earlier_bytes = await tallies.sums("first_byte", before)
        earlier_refused = await tallies.refusals(before)
        by_model: dict[str, list[int]] = {}
        calls = [0] * len(starts)
        for bucket, name, *measures in spent:
            row = by_model.setdefault(name, [0] * len(MEASURES))
            for index, value in enumerate(measures):
                row[index] += value
            calls[_step(starts, bucket)] += measures[0]
        bins: list[dict[int, int]] = [{} for _ in starts]
        for bucket, name, count in first_bytes:
            step = bins[_step(starts, bucket)]
            step[int(name)] = step.get(int(name), 0) + count
        cost = MEASURES.index("cost_nanos")
        failures = [(bucket, name, count) for bucket, name, count in failed]
        return Overview(
            starts=starts,
            now=_figures({name: tuple(row) for name, row in by_model.items()}, _merged(bins), refused),
            before=_figures(earlier, {int(name): row[0] for name, row in earlier_bytes.items()}, earlier_refused),
            spend=_series(starts, ((bucket, name, measures[cost]) for bucket, name, *measures in spent)),
            calls=calls,
            first_byte_p50_ms=[percentile_ms(step, 0.5) for step in bins],
            first_byte_p95_ms=[percentile_ms(step, 0.95) for step in bins],
            errors=_series(starts, [*failures, *refused]),
            top_keys=await self._ranked(keys, NO_KEY, self._rollups.key_labels),
            top_users=await self._ranked(users, NO_USER, self._rollups.user_names),
            models=sorted(models, key=lambda name: (-models[name][cost], -models[name][0], name)),
            last_problem_at=await tallies.last_error(over.to_s, over.to_s - LAST_PROBLEM_S),
            has_calls=bool(models) or await tallies.any(),
        )

    async def _ranked(self, sums: Mapping[str, tuple[int, ...]], none: str, names_of: Names) -> list[Ranked]:
        calls, unknown, cost = (MEASURES.index(name) for name in ("calls", "unknown_cost_calls", "cost_nanos"))
        best = sorted(sums.items(), key=lambda item: (-item[1][cost], -item[1][calls], item[0]))[:MOST_RANKED]
        names = {"": none} | await names_of([value for value, _ in best if value])
        return [Ranked(value, names.get(value, value), row[calls], row[unknown], row[cost]) for value, row in best]


def _step(starts: list[int], bucket: int) -> int:
    return max(0, bisect_right(starts, bucket) - 1)


def _added(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True))) or (0,) * len(MEASURES)


def _merged(bins: list[dict[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for step in bins:
        for number, count in step.items():
            total[number] = total.get(number, 0) + count
    return total


def _figures(by_model: Mapping[str, tuple[int, ...]], bins: dict[int, int], refused: list[tuple[int, str, int]]) -> Figures:
    sums = dict(zip(MEASURES, _added(by_model.values()), strict=True))
    return Figures(
        refused_calls=sum(count for _, _, count in refused),
        saved_nanos=_saved(by_model),
        first_byte_p50_ms=percentile_ms(bins, 0.5),
        first_byte_p95_ms=percentile_ms(bins, 0.95),
        **sums,
    )


def _saved(by_model: Mapping[str, tuple[int, ...]]) -> int | None:
    """`None`: calls came from the cache, and no call of their model has a known price to go by."""
    total = 0
    for row in by_model.values():
        measures = dict(zip(MEASURES, row, strict=True))
        if not measures["cached_calls"]:
            continue
        paid = measures["calls"] - measures["cached_calls"] - measures["unknown_cost_calls"]
        if paid <= 0:
            return None
        total += measures["cached_calls"] * measures["cost_nanos"] // paid
    return total


def _series(starts: list[int], found: Iterable[tuple[int, str, int]]) -> list[Series]:
    """The largest by name, all others as one; a series of zeros is left out."""
    by_name: dict[str, list[int]] = {}
    for bucket, name, value in found:
        if value:
            by_name.setdefault(name, [0] * len(starts))[_step(starts, bucket)] += value
    ordered = sorted(by_name, key=lambda name: (-sum(by_name[name]), name))
    most = MOST_SERIES
    series = [Series(name or "unknown", by_name[name]) for name in ordered[:most]]
    if rest := ordered[most:]:
        series.append(Series(OTHER, [sum(values) for values in zip(*(by_name[name] for name in rest), strict=True)]))
    return series

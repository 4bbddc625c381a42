"""Usage by key, user, model, tag, day, provider or endpoint (R39): sums of roll-ups, never of calls.

A day is a day of the zone that is asked for. Amounts that are not known are not in the sum; the
number of such calls stands beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from doorward.core.errors import Unprocessable
from doorward.core.money import NANOS_PER_USD, usd_text
from doorward.store.calls import Calls
from doorward.store.engine import Store
from doorward.store.rollups import Rollups, Span

By = Literal["key", "user", "model", "tag", "day", "provider", "endpoint"]
BYS: tuple[str, ...] = get_args(By)
_COLUMNS = {
    "key": "key_id",
    "user": "user_id",
    "model": "model",
    "tag": "tag",
    "day": "bucket",
    "provider": "provider_id",
    "endpoint": "endpoint",
}
DEFAULT_DAYS = 30
MOST_DAYS = 3660
NO_KEY, NO_USER = "(signed in, no key)", "(operator)"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums of one group. `name` is what people read: a label, an e-mail, a model, a day."""

    name: str
    key_id: str | None
    """Of a report by key."""
    calls: int
    failed_calls: int
    cached_calls: int
    unknown_cost_calls: int
    estimated_calls: int
    """Counted or estimated by us, not said by the provider."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nanos: int


_EMPTY = UsageRow("", None, *(0,) * 10)


@dataclass(frozen=True, slots=True)
class Period:
    """Unix seconds, exclusive at the end, and the zone that its days are of."""

    from_s: float
    to_s: float
    zone: ZoneInfo


def period(from_: str | None, to: str | None, tz: str, now_s: float) -> Period:
    """Days (`2026-11-20`, of the zone; `to` is the last day) or unix seconds. Default: the last 30 days.

    Raises `Unprocessable`.
    """
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unprocessable("There is no such time zone. Use a name like Europe/Berlin, or UTC.", param="tz") from None
    until_s = _moment(to, zone, "to", last=True) if to else now_s + 1
    if from_:
        from_s = _moment(from_, zone, "from", last=False)
    else:
        first_day = datetime.fromtimestamp(until_s - 1, zone).date() - timedelta(days=DEFAULT_DAYS - 1)
        from_s = datetime(first_day.year, first_day.month, first_day.day, tzinfo=zone).timestamp()
    if from_s >= until_s:
        raise Unprocessable("`from` must be before `to`.", param="from")
    if until_s - from_s > MOST_DAYS * 86400:
        raise Unprocessable(f"The period is longer than {MOST_DAYS} days.", param="from")
    return Period(from_s, until_s, zone)


def _moment(text: str, zone: ZoneInfo, name: str, *, last: bool) -> float:
    try:
        if text.replace(".", "", 1).isdecimal() and text.isascii():
            return datetime.fromtimestamp(float(text), UTC).timestamp()
        day = date.fromisoformat(text) + timedelta(days=1 if last else 0)
        return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Unprocessable(f"`{name}` must be a day like 2026-11-20, or unix seconds.", param=name) from None


NAME_OF = {
    "key": "label",
    "user": "user",
    "model": "model",
    "tag": "tag",
    "day": "day",
    "provider": "provider",
    "endpoint": "endpoint",
}


def as_data(row: UsageRow, by: By) -> dict[str, object]:
    """A row as it leaves by API and CLI. `cost_usd` is for people, `cost_nanos` is exact."""
    named: dict[str, object] = {"key_id": row.key_id} if by == "key" else {}
    named[NAME_OF[by]] = row.name
    return named | {
        "calls": row.calls,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost_usd": row.cost_nanos / NANOS_PER_USD,
        "unknown_cost_calls": row.unknown_cost_calls,
        "cost_nanos": row.cost_nanos,
        "cached_tokens": row.cached_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "failed_calls": row.failed_calls,
        "cached_calls": row.cached_calls,
        "estimated_calls": row.estimated_calls,
    }


def as_csv(rows: list[UsageRow], by: By) -> str:
    """With a header line, also when there are no rows. A name cannot become a spreadsheet's formula."""
    columns = list(as_data(_EMPTY, by))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        data = as_data(row, by) | {"cost_usd": usd_text(row.cost_nanos)}
        writer.writerow([harmless(data[column]) for column in columns])
    return text.getvalue()


def harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


class Reports:
    def __init__(self, rollups: Rollups) -> None:
        self._rollups = rollups

    async def usage(self, by: By, over: Period, *, owner: str | None, key_id: str | None = None) -> list[UsageRow]:
        """`owner` = `None` is everybody's. Dearest first; days in their order."""
        found = await self._rollups.sums(_COLUMNS[by], Span(over.from_s, over.to_s, owner, key_id), utc=_is_utc(over))
        groups: dict[str, tuple[int, ...]] = {}
        for value, measures in found:
            name = datetime.fromtimestamp(value, over.zone).date().isoformat() if by == "day" else str(value)
            before = groups.get(name)
            groups[name] = measures if before is None else tuple(a + b for a, b in zip(before, measures, strict=True))
        names = await self._names(by, groups)
        rows = [
            UsageRow(names.get(value, value), value or None if by == "key" else None, *measures)
            for value, measures in groups.items()
        ]
        if by == "day":
            return sorted(rows, key=lambda row: row.name)
        return sorted(rows, key=lambda row: (-row.cost_nanos, -row.calls, row.name))

    async def trends(self, by: By, over: Period, *, owner: str | None) -> dict[str, list[int]]:
        """Cost by day, in nano-dollars, for each name of the report: the first day of the period first."""
        first = datetime.fromtimestamp(over.from_s, over.zone).date()
        days = (datetime.fromtimestamp(over.to_s - 1, over.zone).date() - first).days + 1
        found = await self._rollups.trend(_COLUMNS[by], Span(over.from_s, over.to_s, owner), utc=_is_utc(over))
        names = await self._names(by, {str(value) for value, *_ in found})
        trends: dict[str, list[int]] = {}
        for value, bucket, _, cost in found:
            day = (datetime.fromtimestamp(bucket, over.zone).date() - first).days
            row = trends.setdefault(names.get(str(value), str(value)), [0] * days)
            row[max(0, min(day, days - 1))] += cost
        return trends

    async def _names(self, by: By, values: Collection[str]) -> dict[str, str]:
        if by == "key":
            return {"": NO_KEY} | await self._rollups.key_labels([value for value in values if value])
        if by == "user":
            return {"": NO_USER} | await self._rollups.user_names([value for value in values if value])
        return {}


def _is_utc(over: Period) -> bool:
    return over.zone.key in ("UTC", "Etc/UTC")


@dataclass(frozen=True, slots=True)
class Accounting:
    """What whoever shows the book is handed."""

    calls: Calls
    reports: Reports

    @classmethod
    def over(cls, store: Store) -> Accounting:
        return cls(Calls(store), Reports(Rollups(store)))

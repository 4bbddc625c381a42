"""`doorward usage`: what was spent, by key, user, model, tag, day, provider or endpoint."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from doorward.cli import config
from doorward.cli.outcome import WRONG_USE, Failure, Outcome, Table
from doorward.cli.tree import Verb, verb
from doorward.core.errors import Unprocessable
from doorward.core.money import usd_of_nanos
from doorward.ledger.reports import BYS, NAME_OF, By, Period, Reports, UsageRow, as_csv, as_data, period
from doorward.store.engine import Store
from doorward.store.rollups import Rollups

app = verb()

TALL = "▁▂▃▄▅▆▇█"
PLAIN = ".:-=+*#@"
SPARK_DAYS = 30


@app.command(cls=Verb)
def usage(
    by: Annotated[str, typer.Option("--by", metavar="WHAT", help=f"One of: {', '.join(BYS)}.")] = "key",
    since: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, like 2026-11-20.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day.")] = None,
    tz: Annotated[str, typer.Option("--tz", metavar="ZONE", help="Zone of the days, like Europe/Berlin.")] = "UTC",
    as_csv_: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
) -> Outcome:
    """Show what was spent. The last 30 days, unless a period is named.

    \b
    doorward usage --by model
    doorward usage --by day --from 2026-11-01 --tz Europe/Berlin
    doorward usage --by tag --csv > usage.csv
    """
    if by not in BYS:
        raise Failure("--by is not accepted", f"There are: {', '.join(BYS)}.", "for example --by model", "wrong_use", WRONG_USE)
    try:
        over = period(since, until, tz, time.time())
    except Unprocessable as wrong:
        raise Failure(
            "the period is not accepted", wrong.message, "doorward usage -h", code="wrong_use", exit_code=WRONG_USE
        ) from None
    chosen = cast(By, by)
    rows, trends = asyncio.run(_read(chosen, over))
    data = {"rows": [as_data(row, chosen) for row in rows]}
    if as_csv_:
        return Outcome(data, as_csv(rows, chosen).rstrip("\n"))
    return Outcome(data, _table(rows, trends, chosen), _said(rows))


async def _read(by: By, over: Period) -> tuple[list[UsageRow], dict[str, list[int]]]:
    store = await Store.open(config.read().url)
    try:
        reports = Reports(Rollups(store))
        trends = await reports.trends(by, over, owner=None) if by != "day" else {}
        return await reports.usage(by, over, owner=None), trends
    finally:
        await store.close()


def _table(rows: Sequence[UsageRow], trends: dict[str, list[int]], by: By) -> Table:
    most = max((row.cost_nanos for row in rows), default=0)
    drawn = [
        (
            row.name or "(none)",
            f"{row.calls:,}",
            f"{row.input_tokens:,}",
            f"{row.output_tokens:,}",
            "< $0.0001" if 0 < row.cost_nanos < 100_000 else f"${usd_of_nanos(row.cost_nanos):.4f}",
            str(row.unknown_cost_calls or "-"),
            bar(row.cost_nanos, most) if by == "day" else spark(trends.get(row.name, [])[-SPARK_DAYS:]),
        )
        for row in rows
    ]
    columns = (NAME_OF[by].upper(), "CALLS", "IN", "OUT", "COST", "PRICE UNKNOWN", "" if by == "day" else "COST BY DAY")
    return Table(columns, drawn, "No calls yet. Make one: doorward key create --label first, then POST /v1/chat/completions")


def _said(rows: Sequence[UsageRow]) -> str:
    if not rows:
        return ""
    unknown = sum(row.unknown_cost_calls for row in rows)
    ours = sum(row.estimated_calls for row in rows)
    said = []
    if unknown:
        said.append(f"{unknown:,} calls have no known price and are not in the cost.")
    if ours:
        said.append(f"{ours:,} calls were counted or estimated by us: doorward ledger verify says why.")
    return " ".join(said)


def _marks() -> str:
    return TALL if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else PLAIN


def spark(values: Sequence[int]) -> str:
    """A line of marks, one a value, the tallest for the largest; a blank where there is nothing."""
    most = max(values, default=0)
    if most <= 0:
        return ""
    marks = _marks()
    return "".join(marks[min(len(marks) - 1, value * len(marks) // most)] if value > 0 else " " for value in values)


def bar(value: int, most: int, width: int = 20) -> str:
    return _marks()[-1] * max(1, value * width // most) if value > 0 and most > 0 else ""

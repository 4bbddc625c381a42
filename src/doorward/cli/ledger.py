"""`doorward ledger`: the book checked against itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli import config
from doorward.cli.outcome import DONE, FAILED, Outcome
from doorward.cli.tree import Verb, noun
from doorward.core.money import usd_text
from doorward.ledger import replay
from doorward.store.book_check import BookCheck, Finding, Inexact, Totals
from doorward.store.engine import Store

app = noun("The book of calls: check that it adds up.")


@app.callback()
def _ledger() -> None:
    """The book of calls: check that it adds up."""


@app.command("verify", cls=Verb)
def verify(
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not list counted and estimated calls.")] = False,
) -> Outcome:
    """Add everything up again: rollups against calls, calls against attempts, amounts against their holds.

    Lists the calls whose amounts we counted or estimated, with the reason. Exit code 1 if anything differs.

    \b
    doorward ledger verify
    """
    totals, findings, inexact, waiting = asyncio.run(_checked())
    data = {
        "ok": not findings,
        "calls": totals.calls,
        "attempts": totals.attempts,
        "cost_usd": usd_text(totals.cost_nanos),
        "cost_nanos": totals.cost_nanos,
        "unknown_cost_calls": totals.unknown_cost_calls,
        "journals_waiting": waiting,
        "mismatches": [{"check": f.check, "count": f.count, "rows": list(f.rows)} for f in findings],
        "inexact": [
            {"source": i.source, "reason": i.reason, "calls": i.calls, "cost_nanos": i.cost_nanos, "examples": list(i.examples)}
            for i in inexact
        ],
    }
    return Outcome(data, _lines(totals, findings, [] if quiet else inexact, waiting), exit_code=FAILED if findings else DONE)


async def _checked() -> tuple[Totals, list[Finding], list[Inexact], int]:
    settings = config.read()
    store = await Store.open(settings.url)
    try:
        check = BookCheck(store)
        waiting = await asyncio.to_thread(_abandoned, settings.data_dir / "journal")
        return await check.totals(), await check.findings(), await check.inexact(), waiting
    finally:
        await store.close()


def _abandoned(directory: Path) -> int:
    """Journals of processes that have died, which the next start will settle."""
    count = 0
    for path in replay.abandoned(directory):
        with replay.claim(path) as found:
            count += found is not None
    return count


def _lines(totals: Totals, findings: list[Finding], inexact: list[Inexact], waiting: int) -> str:
    lines = [f"{totals.calls:,} calls, {totals.attempts:,} attempts, ${usd_text(totals.cost_nanos)}"]
    if totals.unknown_cost_calls:
        lines.append(f"{totals.unknown_cost_calls:,} calls have no known price")
    for row in inexact:
        lines.append(f"{row.source}: {row.calls:,} calls, ${usd_text(row.cost_nanos)}: {row.reason or 'no reason given'}")
        lines.append(f"  for example {', '.join(row.examples)}")
    if waiting:
        lines.append(f"{waiting} journal(s) of processes that died wait for the next start of doorward serve")
    for finding in findings:
        lines.append(f"MISMATCH {finding.check}: {finding.count:,}")
        lines += [f"  {row}" for row in finding.rows]
    lines.append("ok: everything adds up" if not findings else "not ok: the book does not add up")
    return "\n".join(lines)

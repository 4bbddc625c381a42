"""`doorward tail`: calls as they are settled, by any process on the database."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from doorward.cli import config
from doorward.cli.outcome import Outcome
from doorward.cli.terminal import Terminal, compact, write
from doorward.cli.tree import Verb, verb
from doorward.core.money import NANOS_PER_USD, usd_of_nanos
from doorward.store.call_rows import CallRow
from doorward.store.calls import Calls, Filter
from doorward.store.engine import Store

app = verb()

LOOK_EVERY_S = 0.4
LATE_S = 5.0
"""Rows of other processes may come this much after their time of settling."""
BATCH = 1000


@app.command(cls=Verb)
def tail(
    key_id: Annotated[str | None, typer.Option("--key", metavar="ID", help="Only this client key's calls.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only this model.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="WORD", help="done, gone, cut, failed, refused, crashed.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Stop after so many; 0: never.")] = 0,
    last: Annotated[int, typer.Option("--last", metavar="S", min=0, help="Begin with the last so many seconds.")] = 0,
) -> Outcome:
    """Follow calls live: a line a call, once it is settled. With --json an object a line.

    \b
    doorward tail
    doorward tail --model gpt-4o-mini --last 600
    """
    terminal = Terminal.of(sys.argv[1:])
    seen = asyncio.run(_follow(Filter(key_id=key_id, model=model, outcome=outcome), limit, float(last), terminal))
    return Outcome({"calls": seen}) if not terminal.as_json else Outcome({"calls": seen, "end": True})


async def _follow(wanted: Filter, limit: int, last_s: float, terminal: Terminal) -> int:
    store = await Store.open(config.read().url)
    seen = 0
    try:
        terminal.note("Waiting for calls. Ctrl+C ends.")
        async for call in following(Calls(store), wanted, time.time() - last_s):
            write(sys.stdout, compact(_data(call)) if terminal.as_json else line(call))
            seen += 1
            if seen == limit:
                break
    finally:
        await store.close()
    return seen


async def following(calls: Calls, wanted: Filter, from_s: float) -> AsyncIterator[CallRow]:
    """Each call once, in the order in which they become visible."""
    shown: dict[str, float] = {}
    while True:
        found = await calls.settled_since(from_s, wanted, BATCH)
        fresh = [call for call in found if call.opening not in shown]
        for call in fresh:
            shown[call.opening] = call.settled_at
            yield call
        if found:
            # a full page of rows that were all shown already would otherwise come again for ever
            from_s = max(from_s, found[-1].settled_at - (LATE_S if fresh or len(found) < BATCH else 0.0))
        shown = {opening: settled_at for opening, settled_at in shown.items() if settled_at >= from_s}
        if len(found) < BATCH:
            await asyncio.sleep(LOOK_EVERY_S)


def line(call: CallRow) -> str:
    at = datetime.fromtimestamp(call.started_at, UTC).astimezone().strftime("%H:%M:%S")
    model = call.model_served or call.model_asked or "-"
    if call.model_asked and call.model_served and call.model_asked != call.model_served:
        model = f"{call.model_asked} > {call.model_served}"
    cost = (
        "unknown" if call.cost_nanos is None else f"{'' if call.source == 'upstream' else '~'}${usd_of_nanos(call.cost_nanos):.6f}"
    )
    took = f"{call.duration_ms / 1000:.2f} s" if call.duration_ms is not None else "-"
    who = call.key_label or call.user_id or "-"
    return (
        f"{at}  {call.status or '-'} {call.outcome:<7}  {took:>8}  {cost:>12}  "
        f"in {call.input_tokens:,} out {call.output_tokens:,}  {model}  {who}  {call.id}"
    )


def _data(call: CallRow) -> dict[str, Any]:
    names = ("id", "started_at", "key_id", "key_label", "user_id", "endpoint", "model_asked", "model_served", "outcome", "status")
    more = ("error_code", "cache", "attempts", "input_tokens", "output_tokens", "source", "duration_ms", "first_byte_ms")
    cost = None if call.cost_nanos is None else call.cost_nanos / NANOS_PER_USD
    return {name: getattr(call, name) for name in (*names, *more)} | {"cost_usd": cost}

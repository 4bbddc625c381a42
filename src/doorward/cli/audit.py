"""`doorward audit`: who did what, and whether the chain of it is whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from doorward.cli.outcome import DONE, FAILED, Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.cli.user import at_the_desk
from doorward.cli.when import date
from doorward.identity.desk import Desk

app = noun("The audit chain: who did what, when, from where.")

MOST_ROWS = 10_000


@app.command("verify", cls=Verb)
def verify(
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="A hash that an earlier run reported; it must still be in the chain."),
    ] = None,
) -> Outcome:
    """Walk the chain from its first row. Exit code 1 if a row was changed, taken out or put in.

    \b
    doorward audit verify
    doorward audit verify --head 3f5a…
    """

    async def work(desk: Desk) -> Outcome:
        verdict = await desk.audit.verify(head)
        ok = verdict.broken_at is None and verdict.saw_anchor
        data = {
            "ok": ok,
            "rows": verdict.rows,
            "head": verdict.head,
            "broken_at": verdict.broken_at,
            "why": verdict.why if verdict.saw_anchor else verdict.why or "the given head is not in the chain",
        }
        if ok:
            return Outcome(data, f"ok: {verdict.rows} rows, head {verdict.head}", "Note the head elsewhere: then a cut shows, too.")
        where = f"row {verdict.broken_at}: {verdict.why}" if verdict.broken_at else "the given head is not in the chain"
        return Outcome(data, f"broken: {where}", f"The {verdict.rows} rows before it are whole.", FAILED)

    return at_the_desk(work)


@app.command("list", cls=Verb)
def list_(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=MOST_ROWS, help="How many rows.")] = 50,
    action: Annotated[str | None, typer.Option("--action", metavar="NAME", help="Only this action, like key.set.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="EMAIL", help="Only rows about this user.")] = None,
) -> Outcome:
    """List rows, the newest first."""

    async def work(desk: Desk) -> Outcome:
        known = await desk.users.by_email(user) if user is not None else None
        rows = (
            []
            if user is not None and known is None
            else await desk.audit.page(limit=limit, action=action, user_id=known.id if known else None)
        )
        table = Table(
            ("NO", "WHEN", "WHO", "DID", "TO", "FROM"),
            [(str(row.number), date(row.at), row.actor, row.action, row.target, row.from_addr or "-") for row in rows],
            "Nothing was recorded yet.",
        )
        data = [
            {
                "number": row.number,
                "at": row.at,
                "actor": row.actor,
                "action": row.action,
                "target": row.target,
                "details": json.loads(row.details),
                "from_addr": row.from_addr,
                "hash": row.hash,
            }
            for row in rows
        ]
        return Outcome({"data": data}, table, exit_code=DONE)

    return at_the_desk(work)

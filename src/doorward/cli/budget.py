"""`doorward budget`: who may spend how much. Works with or without a running server, which sees a change within 5 s."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from doorward.cli import config, given
from doorward.cli.outcome import Outcome, Table
from doorward.cli.record import recorded
from doorward.cli.tree import Verb, noun
from doorward.core.clock import SystemClock
from doorward.core.money import nanos_of_usd, usd_text
from doorward.ledger.treasury import BudgetState, Treasury
from doorward.store.budgets import BudgetRows
from doorward.store.engine import Store
from doorward.store.prices import PriceOverrides

app = noun("Budgets: of everything together, of users, of client keys.")

T = TypeVar("T")
Subject = Annotated[str, typer.Argument(metavar="all|user:EMAIL|key:ID", help="Whose budget.")]


def with_treasury(work: Callable[[Treasury], Awaitable[T]]) -> T:
    """Open the database, work, close it."""

    async def whole() -> T:
        settings = config.read()
        store = await Store.open(settings.url)
        fixed = None if settings.spend_cap_usd is None else nanos_of_usd(settings.spend_cap_usd)
        try:
            with recorded(store, work):
                return await work(Treasury(BudgetRows(store), PriceOverrides(store), SystemClock(), fixed_nanos=fixed))
        finally:
            await store.close()

    return asyncio.run(whole())


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List budgets, with what is spent and held of each."""

    async def work(treasury: Treasury) -> Outcome:
        states = await treasury.all()
        table = Table(
            ("BUDGET", "OF", "CAP", "PERIOD", "SPENT", "HELD", "LEFT", "STARTS ANEW"),
            [_row(state) for state in states],
            "No budgets yet. Set one: doorward budget set all --usd 100 --period month",
        )
        return Outcome({"data": [shown(state) for state in states]}, table)

    return with_treasury(work)


@app.command("set", cls=Verb)
def set_(
    subject: Subject,
    usd: Annotated[str, typer.Option("--usd", metavar="X", help="Dollars a period; 0 lets nothing pass.")],
    period: Annotated[str, typer.Option("--period", metavar="WORD", help="day, month or ever; days and months are UTC.")] = "month",
) -> Outcome:
    """Set a budget, or change it. What is spent already counts.

    \b
    doorward budget set all --usd 500 --period month
    doorward budget set user:ann@example.com --usd 20
    """
    cap = given.dollars(usd, "--usd")

    async def work(treasury: Treasury) -> Outcome:
        state = await treasury.set_budget(subject, cap, period)
        return Outcome(shown(state), "", f"{state.label} may spend ${usd_text(state.cap)} a {_spoken(state.period)}.")

    return with_treasury(work)


@app.command("remove", cls=Verb)
def remove(subject: Subject) -> Outcome:
    """Lift a budget."""

    async def work(treasury: Treasury) -> Outcome:
        resolved = await treasury.remove_budget(subject)
        return Outcome({"subject": resolved, "removed": True}, "", f"{subject} has no budget any more.")

    return with_treasury(work)


def shown(state: BudgetState) -> dict[str, object]:
    return {
        "subject": state.subject,
        "label": state.label,
        "cap_usd": usd_text(state.cap),
        "period": state.period,
        "spent_usd": usd_text(state.spent),
        "held_usd": usd_text(state.held),
        "left_usd": usd_text(state.left),
        "resets_at": state.resets_at,
        "forecast_usd": None if state.forecast is None else usd_text(state.forecast),
    }


def _row(state: BudgetState) -> tuple[str, ...]:
    anew = "never" if state.resets_at is None else datetime.fromtimestamp(state.resets_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    money = [f"${usd_text(nanos)}" for nanos in (state.spent, state.held, state.left)]
    return (state.subject, state.label, f"${usd_text(state.cap)}", state.period, *money, anew)


def _spoken(period: str) -> str:
    return "lifetime" if period == "ever" else period

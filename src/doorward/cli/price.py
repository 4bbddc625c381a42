"""`doorward price`: what calls cost, and the operator's own prices over the data set."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.budget import with_treasury
from doorward.cli.outcome import Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.ledger.treasury import Treasury
from doorward.providers.price_table import PER
from doorward.providers.prices import Override, Prices

app = noun("Prices: the data set's, and the operator's own over them.")

List = Annotated[str, typer.Option("--list", metavar="NAME", help="A price list: a provider's id, or what its --prices says.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model, or a prefix ending in *.")]
Unit = Annotated[str, typer.Option("--unit", metavar="UNIT", help=f"One of: {', '.join(PER)}.")]


@app.command("list", cls=Verb)
def list_(
    price_list: List = "openai",
    model: Annotated[str, typer.Option("--model", metavar="PART", help="Part of a model's name.")] = "",
) -> Outcome:
    """List prices, in dollars; the operator's own come first and take precedence."""

    async def work(treasury: Treasury) -> Outcome:
        prices = Prices.load()
        own = [o for o in await treasury.overrides.all() if o.price_list == price_list and model.lower() in o.model.lower()]
        data: list[dict[str, object]] = [shown(override) for override in own]
        for name, unit, above, usd in prices.listed(price_list, model):
            row = {"price_list": price_list, "model": name, "unit": unit, "usd": usd, "own": False}
            data.append(row if above is None else row | {"above_input_tokens": above})
        table = Table(
            ("MODEL", "UNIT", "DOLLARS", "ABOVE INPUT TOKENS", "FROM"),
            [_row(row, prices.table.version) for row in data],
            "No such price. doorward price set MODEL --unit input_mtok --usd X adds one.",
        )
        return Outcome({"version": prices.table.version, "data": data}, table)

    return with_treasury(work)


@app.command("set", cls=Verb)
def set_(
    model: Model,
    unit: Unit,
    usd: Annotated[str, typer.Option("--usd", metavar="X", help="Dollars for one unit.")],
    price_list: List = "openai",
) -> Outcome:
    """Set the price of one unit of a model, over the data set.

    \b
    doorward price set my-model --list mine --unit input_mtok --usd 0.5
    """
    override = Override(price_list, model, unit, given.dollars(usd, "--usd"))

    async def work(treasury: Treasury) -> Outcome:
        await treasury.set_price(override)
        return Outcome(shown(override), "", f"{unit} of {model} now costs ${override.usd:f} in the list {price_list}.")

    return with_treasury(work)


@app.command("remove", cls=Verb)
def remove(
    model: Model,
    unit: Annotated[str | None, typer.Option("--unit", metavar="UNIT", help="All of the model's, if left out.")] = None,
    price_list: List = "openai",
) -> Outcome:
    """Take back own prices; the data set's hold again."""

    async def work(treasury: Treasury) -> Outcome:
        removed = await treasury.remove_price(price_list, model, unit)
        return Outcome({"model": model, "price_list": price_list, "removed": removed}, "", f"Removed {removed}.")

    return with_treasury(work)


def shown(override: Override) -> dict[str, object]:
    return {
        "price_list": override.price_list,
        "model": override.model,
        "unit": override.unit,
        "usd": f"{override.usd:f}",
        "own": True,
    }


def _row(row: dict[str, object], version: str) -> tuple[str, ...]:
    above = row.get("above_input_tokens")
    return (
        str(row["model"]),
        str(row["unit"]),
        str(row["usd"]),
        "" if above is None else f"{above:,}",
        "own" if row["own"] else version,
    )

"""`doorward model`: other names for models. A running server sees a change within 5 s."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli.house import House, within
from doorward.cli.outcome import Outcome, Table
from doorward.cli.route import signposts
from doorward.cli.tree import Verb, noun

app = noun("Other names for models: applications ask for one name, and you decide which model it is.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What applications ask for.")]


@app.command("alias", cls=Verb)
def alias(
    name: Name,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model that it is, like gpt-4o or groq/llama-3.")],
    force: Annotated[bool, typer.Option("--force", help="Also with a model that no provider has.")] = False,
) -> Outcome:
    """Give a model another name, or change whose name it is.

    \b
    doorward model alias fast gpt-4o-mini
    """

    async def work(house: House) -> Outcome:
        await signposts(house).set_alias(name, model, force=force)
        return Outcome({"name": name, "model": model}, "", f"{name} is {model} now. A running server uses it within 5 s.")

    return within(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List other names for models."""

    async def work(house: House) -> Outcome:
        found = await signposts(house).aliases()
        table = Table(("NAME", "MODEL"), list(found.items()), "No other names yet. Give one: doorward model alias fast gpt-4o-mini")
        return Outcome({"data": [{"name": name, "model": model} for name, model in found.items()]}, table)

    return within(work)


@app.command("remove", cls=Verb)
def remove(name: Name) -> Outcome:
    """Take a name away again."""

    async def work(house: House) -> Outcome:
        await signposts(house).remove_alias(name)
        return Outcome({"name": name, "removed": True}, "", "The name is free again.")

    return within(work)

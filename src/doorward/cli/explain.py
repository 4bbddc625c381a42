"""`doorward help TOPIC`."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli.outcome import EXIT_CODES, WRONG_USE, Failure, Outcome
from doorward.cli.tree import Verb, overview, verb

app = verb()


@app.command(cls=Verb)
def topic(topic: Annotated[str, typer.Argument(metavar="TOPIC")] = "") -> Outcome:
    """Explain a topic: exit-codes. Without one, the list of commands."""
    if not topic:
        return Outcome(*overview())
    if topic != "exit-codes":
        raise Failure(
            "there is no such topic",
            why="There is: exit-codes.",
            fix="doorward help exit-codes",
            code="unknown_topic",
            exit_code=WRONG_USE,
        )
    lines = "\n".join(f"{code:>4}  {meaning}" for code, meaning in EXIT_CODES)
    return Outcome({"exit_codes": {str(code): meaning for code, meaning in EXIT_CODES}}, lines)

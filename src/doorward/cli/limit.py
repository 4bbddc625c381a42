"""`doorward limit`: how many calls users and accounts may make. A client key's own limits are set when it is made."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli.house import House, within
from doorward.cli.outcome import Outcome, Table
from doorward.cli.route import signposts
from doorward.cli.tree import Verb, noun
from doorward.core.caller import KeyLimits
from doorward.store.call_limits import BOUNDS

app = noun("Limits of users and accounts: requests and tokens a minute and a day, calls at once.")

Subject = Annotated[str, typer.Argument(metavar="user:EMAIL|account:ID", help="Whose limits.")]
Rpm = Annotated[int | None, typer.Option("--rpm", metavar="N", help="Requests a minute.")]
Tpm = Annotated[int | None, typer.Option("--tpm", metavar="N", help="Tokens a minute.")]
Rpd = Annotated[int | None, typer.Option("--rpd", metavar="N", help="Requests a day.")]
Tpd = Annotated[int | None, typer.Option("--tpd", metavar="N", help="Tokens a day.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", metavar="N", help="Calls open at once.")]


@app.command("set", cls=Verb)
def set_(
    subject: Subject, rpm: Rpm = None, tpm: Tpm = None, rpd: Rpd = None, tpd: Tpd = None, concurrency: Concurrency = None
) -> Outcome:
    """Set limits, in place of those that stood there. A user's count over all of the user's keys.

    \b
    doorward limit set user:ann@example.com --rpm 60 --tpd 1000000
    doorward limit set account:acc_0123 --concurrency 20
    """

    async def work(house: House) -> Outcome:
        bounds = KeyLimits(rpm=rpm, rpd=rpd, tpm=tpm, tpd=tpd, concurrency=concurrency)
        resolved = await signposts(house).set_limits(subject, bounds)
        return Outcome({"subject": resolved, **shown(bounds)}, "", f"{_spoken(bounds)}. A running server uses it within 5 s.")

    return within(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List limits of users and accounts."""

    async def work(house: House) -> Outcome:
        found = await signposts(house).limits()
        rows = [
            (subject, *("-" if value is None else f"{value:,}" for value in shown(bounds).values()))
            for subject, bounds in found.items()
        ]
        table = Table(
            ("OF", *(name.upper() for name in BOUNDS)), rows, "No limits yet. Set some: doorward limit set user:EMAIL --rpm 60"
        )
        return Outcome({"data": [{"subject": subject, **shown(bounds)} for subject, bounds in found.items()]}, table)

    return within(work)


@app.command("remove", cls=Verb)
def remove(subject: Subject) -> Outcome:
    """Lift all limits of a user or an account."""

    async def work(house: House) -> Outcome:
        resolved = await signposts(house).remove_limits(subject)
        return Outcome({"subject": resolved, "removed": True}, "", "The limits are lifted.")

    return within(work)


def shown(bounds: KeyLimits) -> dict[str, int | None]:
    return {name: getattr(bounds, name) for name in BOUNDS}


def _spoken(bounds: KeyLimits) -> str:
    said = [f"{name} {value:,}" for name, value in shown(bounds).items() if value is not None]
    return f"Limits set: {', '.join(said)}"

"""`doorward route`: where calls for a model go when it fails. A running server sees a change within 5 s."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.house import House, within
from doorward.cli.outcome import Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.edge.signposts import Signposts
from doorward.store.routes import RouteRule

app = noun("Routes: fallback models, time limits, rescue. The longest that matches a model applies, alone.")

Match = Annotated[str, typer.Argument(metavar="MODEL|'PREFIX*'", help="The model, or the models that begin so.")]


def signposts(house: House) -> Signposts:
    return Signposts(house.store, house.settings.total_s)


@app.command("set", cls=Verb)
def set_(
    match: Match,
    fallback: Annotated[str, typer.Option("--fallback", metavar="LIST", help="Models to try next, in order, like gpt-4o,o3.")],
    first_event_timeout_s: Annotated[
        float | None, typer.Option("--first-event-timeout-s", metavar="N", help="Seconds to the first event.")
    ] = None,
    idle_timeout_s: Annotated[
        float | None, typer.Option("--idle-timeout-s", metavar="N", help="Seconds between two pieces of an answer.")
    ] = None,
    rescue: Annotated[bool, typer.Option("--rescue", help="Rather pay twice than fail: resend what was sent and lost.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also with models that no provider has.")] = False,
) -> Outcome:
    """Set a route, or replace it.

    \b
    doorward route set gpt-4o --fallback gpt-4o-mini
    doorward route set 'gpt-*' --fallback claude-sonnet-4-5 --first-event-timeout-s 20 --rescue
    """

    async def work(house: House) -> Outcome:
        wish = RouteRule(match, tuple(given.words(fallback)), first_event_timeout_s, idle_timeout_s, rescue)
        rule = await signposts(house).set_route(wish, force=force)
        return Outcome(
            shown(rule), "", f"Route {rule.match} set: then {', '.join(rule.fallbacks)}. A running server uses it within 5 s."
        )

    return within(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List routes."""

    async def work(house: House) -> Outcome:
        found = await signposts(house).routes()
        rows = [
            (
                r.match,
                ", ".join(r.fallbacks),
                _seconds(r.first_event_timeout_s),
                _seconds(r.idle_timeout_s),
                "yes" if r.rescue else "no",
            )
            for r in found
        ]
        table = Table(
            ("MODEL", "THEN", "FIRST EVENT", "IDLE", "RESCUE"),
            rows,
            "No routes yet. Set one: doorward route set gpt-4o --fallback gpt-4o-mini",
        )
        return Outcome({"data": [shown(rule) for rule in found]}, table)

    return within(work)


@app.command("remove", cls=Verb)
def remove(match: Match) -> Outcome:
    """Remove a route: its models have no fallback any more."""

    async def work(house: House) -> Outcome:
        await signposts(house).remove_route(match)
        return Outcome({"match": match, "removed": True}, "", "Route removed.")

    return within(work)


def shown(rule: RouteRule) -> dict[str, object]:
    return {
        "match": rule.match,
        "fallbacks": list(rule.fallbacks),
        "first_event_timeout_s": rule.first_event_timeout_s,
        "idle_timeout_s": rule.idle_timeout_s,
        "rescue": rule.rescue,
    }


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g} s"

"""`doorward key`: client keys, for applications."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.house import House, within
from doorward.cli.limit import Concurrency, Rpd, Rpm, Tpd, Tpm
from doorward.cli.limit import shown as limits_shown
from doorward.cli.outcome import WRONG_USE, Failure, Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.cli.user import owner_of
from doorward.cli.when import date
from doorward.core.caller import KeyLimits, Scope
from doorward.edge import provider_form
from doorward.edge.keysmith import ALL_SCOPES, Wish
from doorward.store.client_keys import KeyFields, KeyRow

app = noun("Client keys, for applications. A key is shown once and kept only as a hash.")

ContentDays = Annotated[
    int | None, typer.Option("--log-content-days", metavar="N", help="Keep what its calls say, sealed, for 1 to 90 days.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The key's public id, from doorward key list.")]


@app.command("create", cls=Verb)
def create(
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for people.")],
    scope: Annotated[str, typer.Option("--scope", metavar="LIST", help="call, me, admin.")] = "call",
    admin: Annotated[bool, typer.Option("--admin", help="The same as --scope call,me,admin.")] = False,
    share_as: Annotated[
        str | None, typer.Option("--share-as", metavar="NAME", help="Keys of one name share their objects.")
    ] = None,
    models: Annotated[str | None, typer.Option("--models", metavar="LIST", help="Models it may use, like 'gpt-4o,o3*'.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="SPAN", help="When it ends, like 30d.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="EMAIL", help="The user whose key it is.")] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    rpd: Rpd = None,
    tpd: Tpd = None,
    concurrency: Concurrency = None,
    budget_usd: Annotated[str | None, typer.Option("--budget-usd", metavar="X", help="Dollars it may spend a period.")] = None,
    budget_period: Annotated[str, typer.Option("--budget-period", metavar="WORD", help="day, month or ever.")] = "month",
    log_content_days: ContentDays = None,
) -> Outcome:
    """Make a client key. It draws on the operator's accounts; with --owner it stands for that user.

    \b
    doorward key create --label first
    doorward key create --label ci --models 'gpt-4o-mini' --expires 30d
    doorward key create --label laptop --owner ann@example.com
    doorward key create --label batch --rpm 60 --tpd 1000000 --concurrency 4
    doorward key create --label trial --budget-usd 5 --budget-period month
    """
    bounds = KeyLimits(rpm=rpm, rpd=rpd, tpm=tpm, tpd=tpd, concurrency=concurrency)
    limits = replace(bounds, **given.budget(budget_usd, budget_period))

    async def work(house: House) -> Outcome:
        scopes = ALL_SCOPES if admin else _scopes(scope)
        if owner is not None and share_as is not None:
            raise Failure(
                "--owner and --share-as do not go together",
                "A user's keys share that user's objects already.",
                "leave out one of them",
                "wrong_use",
                WRONG_USE,
            )
        row, key = await house.keysmith.make(
            Wish(
                label=given.label(label),
                scopes=scopes,
                share_as=None if share_as is None else given.name(share_as, "--share-as"),
                models=None if models is None else _models(models),
                expires_at=None if expires is None else time.time() + given.span_s(expires, "--expires"),
                owner_user_id=None if owner is None else await owner_of(house, owner, scopes),
                limits=limits,
                content_days=log_content_days,
            ),
            ALL_SCOPES,
        )
        whole = key.reveal().decode()
        said = f'Key "{row.label}" made; it is shown only now. Its models: GET /v1/models with  Authorization: Bearer <key>'
        return Outcome({**shown(row), "key": whole}, whole, said)

    return within(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List client keys, the newest first."""

    async def work(house: House) -> Outcome:
        found = await house.client_keys.list()
        rows = [(r.public_id, r.label, ",".join(r.scopes), state(r), date(r.expires_at), date(r.last_used_at)) for r in found]
        table = Table(
            ("ID", "LABEL", "SCOPES", "STATE", "EXPIRES", "LAST USED"),
            rows,
            "No client keys yet. Make one: doorward key create --label first",
        )
        return Outcome({"data": [shown(row) for row in found]}, table)

    return within(work)


@app.command("revoke", cls=Verb)
def revoke(key_id: Id) -> Outcome:
    """End a key, everywhere within 5 s."""

    async def work(house: House) -> Outcome:
        await house.key(key_id)
        row = await house.client_keys.revoke(key_id)
        return Outcome(shown(row), said=f'Key "{row.label}" revoked. A running server refuses it within 5 s.')

    return within(work)


@app.command("rotate", cls=Verb)
def rotate(
    key_id: Id,
    overlap: Annotated[str, typer.Option("--overlap", metavar="SPAN", help="How long the old key stays good, like 24h.")] = "0s",
) -> Outcome:
    """Make a successor with the same powers.

    \b
    doorward key rotate abcdefgh23456789 --overlap 24h
    """

    async def work(house: House) -> Outcome:
        await house.key(key_id)
        row, key = await house.keysmith.rotate(key_id, given.span_s(overlap, "--overlap", may_be_0=True), ALL_SCOPES)
        whole = key.reveal().decode()
        ends = "now" if overlap == "0s" else f"in {overlap}"
        said = f'Successor of "{row.label}" made; it is shown only now. The old key ends {ends}.'
        return Outcome({**shown(row), "key": whole}, whole, said)

    return within(work)


@app.command("set", cls=Verb)
def set_(
    key_id: Id,
    label: Annotated[str | None, typer.Option("--label", metavar="TEXT", help="A name for people.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="SPAN", help="When it ends, like 30d, or never.")] = None,
    log_content_days: Annotated[
        str | None, typer.Option("--log-content-days", metavar="N", help="Keep what its calls say for 1 to 90 days, or off.")
    ] = None,
) -> Outcome:
    """Change label, expiry, or for how long what its calls say is kept."""

    async def work(house: House) -> Outcome:
        await house.key(key_id)
        fields = KeyFields()
        if label is not None:
            fields["label"] = given.label(label)
        if expires is not None:
            fields["expires_at"] = None if expires == "never" else time.time() + given.span_s(expires, "--expires")
        if log_content_days is not None:
            fields["content_days"] = given.days(log_content_days, "--log-content-days")
        if not fields:
            raise Failure(
                "nothing to change was named",
                "All options are optional, but one is needed.",
                "doorward key set -h",
                "wrong_use",
                WRONG_USE,
            )
        row = await house.keysmith.change(key_id, fields)
        return Outcome(shown(row), said=f'Key "{row.label}" changed. A running server uses it within 5 s.')

    return within(work)


@app.command("purge", cls=Verb)
def purge(
    key_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Keys to delete.")] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="All keys that are revoked or have expired.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Outcome:
    """Delete keys and their hashes, all or none. Usage keeps their ids.

    \b
    doorward key purge --revoked
    """

    async def work(house: House) -> Outcome:
        ended = [row.public_id for row in await house.client_keys.list() if state(row) != "active"] if revoked else []
        chosen = list(dict.fromkeys([*(key_ids or []), *ended]))
        if not chosen and not revoked:
            raise Failure(
                "no key was named", "A purge is told what to delete.", "doorward key purge ID, or --revoked", "wrong_use", WRONG_USE
            )
        for key_id in chosen:
            await house.key(key_id)
        if chosen:
            given.confirmed("purge", yes=yes, says=f"This deletes {len(chosen)} client key(s)")
            await house.keysmith.purge(chosen)
        return Outcome({"purged": chosen}, said=f"{len(chosen)} client key(s) deleted.")

    return within(work)


def _scopes(text: str) -> tuple[Scope, ...]:
    wanted = given.words(text)
    if not wanted or any(word not in ALL_SCOPES for word in wanted):
        raise Failure(
            "--scope has a word that is no scope",
            f"There are: {', '.join(ALL_SCOPES)}.",
            "for example --scope call,me",
            "wrong_use",
            WRONG_USE,
        )
    return tuple(scope for scope in ALL_SCOPES if scope in wanted)


def _models(text: str) -> tuple[str, ...]:
    found = provider_form.models(given.words(text))
    if not found:
        raise Failure(
            "--models is empty",
            "Without --models a key may use every model.",
            "leave it out, or name models",
            "wrong_use",
            WRONG_USE,
        )
    return found


def state(row: KeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "active" if row.is_valid(time.time()) else "expired"


def shown(row: KeyRow) -> dict[str, object]:
    return {
        "id": row.public_id,
        "label": row.label,
        "scopes": list(row.scopes),
        "share_as": row.share_as,
        "models": None if row.models is None else list(row.models),
        "state": state(row),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
        "rotated_from": row.rotated_from,
        "limits": limits_shown(row.limits),
        "log_content_days": row.content_days,
    }

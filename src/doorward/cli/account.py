"""`doorward account`: the operator's keys at providers. A key goes in by stdin or prompt, and never comes out."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.account_row import shown, state
from doorward.cli.house import House, within
from doorward.cli.outcome import FAILED, WRONG_USE, Failure, Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.cli.when import date
from doorward.core.caller import OPERATOR
from doorward.core.secret import Secret
from doorward.store.accounts import AccountFields, AccountTraits

app = noun("Upstream keys. They go in sealed, and nothing brings one out again.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The account's id, from doorward account list.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
KeyStdin = typer.Option("--key-stdin", help="Read the key from stdin instead of asking for it.")
Weight = typer.Option("--weight", metavar="N", help="Share of the load, 1 to 1000.", min=1, max=1000)
QuotaOwner = typer.Option("--quota-owner", metavar="NAME", help="Accounts of one organisation share its limits.")
Organization = typer.Option("--organization", metavar="ID", help="Sent as OpenAI-Organization.")
Project = typer.Option("--project", metavar="ID", help="Sent as OpenAI-Project.")


@app.command("add", cls=Verb)
def add(
    provider: Annotated[str, typer.Option("--provider", metavar="ID", help="Whose key it is.")],
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for people.")],
    key_stdin: Annotated[bool, KeyStdin] = False,
    weight: Annotated[int, Weight] = 1,
    quota_owner: Annotated[str | None, QuotaOwner] = None,
    organization: Annotated[str | None, Organization] = None,
    project: Annotated[str | None, Project] = None,
) -> Outcome:
    """Store an upstream key.

    \b
    doorward account add --provider openai --label main
    pass show openai | doorward account add --provider openai --label main --key-stdin
    """
    traits = AccountTraits(
        weight=weight,
        quota_owner=_line(quota_owner, "--quota-owner"),
        organization=_line(organization, "--organization"),
        project=_line(project, "--project"),
    )

    async def work(house: House) -> Outcome:
        await house.provider(provider)
        account = await house.custodian.take_in(provider, given.label(label), _key(stdin=key_stdin), traits)
        said = f'Account "{account.label}" added, its key is sealed. Try it: doorward account test {account.id}'
        return Outcome(shown(account), account.id, said)

    return within(work)


@app.command("list", cls=Verb)
def list_(
    provider: Annotated[str | None, typer.Option("--provider", metavar="ID", help="Only this provider's.")] = None,
) -> Outcome:
    """List accounts: what is stored about a key, never the key."""

    async def work(house: House) -> Outcome:
        found = await house.accounts.of_owner(OPERATOR, provider)
        rows = [(a.id, a.provider_id, a.label, str(a.weight), state(a), date(a.key_set_at)) for a in found]
        empty = "No accounts yet. Models sim-* answer without one. Add one: doorward account add --provider openai --label main"
        table = Table(("ID", "PROVIDER", "LABEL", "WEIGHT", "STATE", "KEY SET"), rows, empty)
        return Outcome({"data": [shown(account) for account in found]}, table)

    return within(work)


@app.command("set", cls=Verb)
def set_(
    account_id: Id,
    label: Annotated[str | None, typer.Option("--label", metavar="TEXT", help="A name for people.")] = None,
    key: Annotated[bool, typer.Option("--key", help="Replace the key: ask for the new one.")] = False,
    key_stdin: Annotated[bool, KeyStdin] = False,
    weight: Annotated[int | None, Weight] = None,
    quota_owner: Annotated[str | None, QuotaOwner] = None,
    organization: Annotated[str | None, Organization] = None,
    project: Annotated[str | None, Project] = None,
) -> Outcome:
    """Change an account, or replace its key; what is not named stays. An empty value clears.

    \b
    doorward account set acc_… --key
    """

    async def work(house: House) -> Outcome:
        await house.account(account_id)
        fields = _fields(label, weight, quota_owner, organization, project)
        if key or key_stdin:
            account = await house.custodian.replace_key(account_id, _key(stdin=key_stdin), fields)
        elif fields:
            account = await house.accounts.change(account_id, **fields)
        else:
            raise Failure(
                "nothing to change was named",
                "All options are optional, but one is needed.",
                "doorward account set -h",
                "wrong_use",
                WRONG_USE,
            )
        changed = ", ".join([*sorted(fields), *(["key"] if key or key_stdin else [])])
        return Outcome(shown(account), said=f'Account "{account.label}" changed: {changed}. A running server uses it within 5 s.')

    return within(work)


@app.command("activate", cls=Verb)
def activate(account_id: Id) -> Outcome:
    """Let an account serve calls again; ends a quarantine, too."""

    async def work(house: House) -> Outcome:
        await house.account(account_id)
        async with house.store.writing() as connection:
            await house.accounts.release(account_id, within=connection)
            account = await house.accounts.change(account_id, within=connection, is_active=True)
        return Outcome(shown(account), said=f'Account "{account.label}" is active. A running server uses it within 5 s.')

    return within(work)


@app.command("deactivate", cls=Verb)
def deactivate(account_id: Id) -> Outcome:
    """Let an account rest; its key stays stored."""

    async def work(house: House) -> Outcome:
        await house.account(account_id)
        account = await house.accounts.change(account_id, is_active=False)
        return Outcome(shown(account), said=f'Account "{account.label}" rests. Wake it: doorward account activate {account.id}')

    return within(work)


@app.command("test", cls=Verb)
def test(account_id: Id) -> Outcome:
    """Ask the provider for its models with this key: one call that costs nothing."""
    from doorward.cli.online import tried  # the whole way upstream, which no other verb here needs

    async def work(house: House) -> Outcome:
        await house.account(account_id)
        found = await tried(house, account_id)
        data = {"id": account_id, "ok": found.ok, "status": found.status, "says": found.says, "models": list(found.models)}
        if not found.ok:
            fix = f"doorward account set {account_id} --key" if found.status == 401 else "doorward provider list"
            raise Failure("the account did not work", found.says, fix, "account_failed", FAILED)
        return Outcome(data, "\n".join(found.models), found.says)

    return within(work)


@app.command("remove", cls=Verb)
def remove(account_id: Id, yes: Yes = False) -> Outcome:
    """Remove an account and its key."""

    async def work(house: House) -> Outcome:
        account = await house.account(account_id)
        given.confirmed(account.label, yes=yes, says=f'This removes account "{account.label}" and its key')
        await house.custodian.let_go([account_id])
        return Outcome({"id": account_id, "removed": True}, said=f'Account "{account.label}" and its key are gone.')

    return within(work)


@app.command("purge", cls=Verb)
def purge(
    account_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Accounts to purge.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every stored key, of everybody.")] = False,
    yes: Yes = False,
) -> Outcome:
    """Remove several accounts and their keys, all or none.

    \b
    doorward account purge --all
    """

    async def work(house: House) -> Outcome:
        chosen = [account.id for account in await house.accounts.all()] if every else list(dict.fromkeys(account_ids or []))
        if not chosen and not every:
            raise Failure(
                "no account was named",
                "A purge is told what to remove.",
                "doorward account purge ID, or --all",
                "wrong_use",
                WRONG_USE,
            )
        for account_id in chosen:
            await house.account(account_id)
        if chosen:
            given.confirmed("purge", yes=yes, says=f"This removes {len(chosen)} account(s) and their keys")
            await house.custodian.let_go(chosen)
        return Outcome({"purged": chosen}, said=f"{len(chosen)} account(s) and their keys are gone.")

    return within(work)


def _key(*, stdin: bool) -> Secret:
    return given.secret("key", from_stdin=stdin, flag="--key-stdin")


def _line(text: str | None, option: str) -> str | None:
    """A value that is sent as a header or shown in tables; empty clears."""
    if not text:
        return None
    if len(text) > 200 or not text.isascii() or not text.isprintable():
        raise Failure(
            f"{option} is not plain text", "It has visible ASCII characters only.", "type it again", "wrong_use", WRONG_USE
        )
    return text


def _fields(
    label: str | None, weight: int | None, quota_owner: str | None, organization: str | None, project: str | None
) -> AccountFields:
    fields = AccountFields()
    if label is not None:
        fields["label"] = given.label(label)
    if weight is not None:
        fields["weight"] = weight
    if quota_owner is not None:
        fields["quota_owner"] = _line(quota_owner, "--quota-owner")
    if organization is not None:
        fields["organization"] = _line(organization, "--organization")
    if project is not None:
        fields["project"] = _line(project, "--project")
    return fields

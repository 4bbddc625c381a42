"""`doorward user`: who may come in. Works on the database, with or without a running server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.house import House, within
from doorward.cli.outcome import Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.cli.when import date
from doorward.core.caller import Scope
from doorward.core.clock import SystemClock
from doorward.core.errors import Forbidden, NotFound
from doorward.identity.desk import Desk
from doorward.identity.roles import ROLE_SCOPES
from doorward.identity.users import normal_email, role_of
from doorward.relay.content_log import ContentLog
from doorward.store.users import User, UserRows

app = noun("Users: who may sign in, and who is an admin.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The user's e-mail address.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
PasswordStdin = typer.Option("--password-stdin", help="Read the password from stdin instead of asking for it.")

ACTOR = "operator"
PAGE = 200


@app.command("add", cls=Verb)
def add(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="Make an admin.")] = False,
    password_stdin: Annotated[bool, PasswordStdin] = False,
) -> Outcome:
    """Make a user.

    \b
    doorward user add you@example.com --admin
    pass show doorward | doorward user add you@example.com --admin --password-stdin
    """
    password = given.secret("password", from_stdin=password_stdin, flag="--password-stdin")

    async def work(desk: Desk) -> Outcome:
        user = await desk.users.add(email, "admin" if admin else "user", password, actor=ACTOR)
        return Outcome(shown(user), user.id, f"User {user.email} made. They can sign in with that password.")

    return at_the_desk(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List users in order of e-mail."""

    async def work(desk: Desk) -> Outcome:
        found: list[User] = []
        while page := await desk.users.list(found[-1].email if found else "", PAGE):
            found += page
        rows = [(user.id, user.email, user.role, date(user.created_at), date(user.signed_in_at)) for user in found]
        empty = "No users yet. Make the first: doorward user add you@example.com --admin"
        table = Table(("ID", "EMAIL", "ROLE", "MADE", "SIGNED IN"), rows, empty)
        return Outcome({"data": [shown(user) for user in found]}, table)

    return at_the_desk(work)


@app.command("role", cls=Verb)
def role(email: Email, new_role: Annotated[str, typer.Argument(metavar="ROLE", help="admin or user.")]) -> Outcome:
    """Change a user's role; their sessions end. The last admin stays one.

    \b
    doorward user role ann@example.com admin
    """

    async def work(desk: Desk) -> Outcome:
        wanted = role_of(new_role)
        user = await desk.users.set_role((await _known(desk, email)).id, wanted, actor=ACTOR)
        return Outcome(shown(user), said=f"{user.email} is {user.role} now. A running server knows within 5 s.")

    return at_the_desk(work)


@app.command("password", cls=Verb)
def password(email: Email, password_stdin: Annotated[bool, PasswordStdin] = False) -> Outcome:
    """Give a user a new password; their sessions end."""
    new = given.secret("password", from_stdin=password_stdin, flag="--password-stdin")

    async def work(desk: Desk) -> Outcome:
        user = await _known(desk, email)
        await desk.users.set_password(user.id, new, actor=ACTOR)
        return Outcome(shown(user), said=f"{user.email} has a new password, and is signed out everywhere.")

    return at_the_desk(work)


@app.command("remove", cls=Verb)
def remove(email: Email, yes: Yes = False) -> Outcome:
    """Shut a user out: sessions and passkeys go, client keys are revoked. What they made stays."""

    async def work(desk: Desk) -> Outcome:
        user = await _known(desk, email)
        given.confirmed(user.email, yes=yes, says=f"this removes {user.email}")
        await desk.users.remove(user.id, actor=ACTOR)
        return Outcome(shown(user), said=f"{user.email} removed. A running server knows within 5 s.")

    return at_the_desk(work)


@app.command("erase", cls=Verb)
def erase(email: Email, yes: Yes = False) -> Outcome:
    """Delete all that is kept about a user. Money and the audit chain keep their rows, without a name."""

    async def work(desk: Desk) -> Outcome:
        user = await _known(desk, email)
        given.confirmed(user.email, yes=yes, says=f"this erases {user.email} and all that they made")
        rows = await desk.erasure.erase(user.id, actor=ACTOR)
        return Outcome({"id": user.id, "rows": rows}, said=f"Erased: {sum(rows.values())} rows in {len(rows)} tables.")

    return at_the_desk(work)


@app.command("export", cls=Verb)
def export(
    email: Email,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Write there, readable by you alone.")] = None,
) -> Outcome:
    """Print everything kept about a user as JSON, without hashes and keys.

    \b
    doorward user export ann@example.com --file ann.json
    """

    async def work(desk: Desk) -> Outcome:
        found = await desk.erasure.export((await _known(desk, email)).id)
        text = json.dumps(found, ensure_ascii=False, indent=2)
        if file is None:
            return Outcome(found, text)
        file.touch(mode=0o600)
        file.write_text(text + "\n", encoding="utf-8")
        return Outcome({"file": str(file)}, said=f"Written to {file}.")

    return at_the_desk(work)


@app.command("invite", cls=Verb)
def invite(email: Email, admin: Annotated[bool, typer.Option("--admin", help="They become an admin.")] = False) -> Outcome:
    """Make a link with which somebody becomes a user, once, within a day."""

    async def work(desk: Desk) -> Outcome:
        wanted = role_of("admin" if admin else "user")
        token = await desk.invitations.make(email, wanted, actor=ACTOR)
        link = desk.site.url(f"/invitation#{token}")
        return Outcome({"email": email, "role": wanted, "link": link}, link, "Send it to them. It works once, for a day.")

    return at_the_desk(work)


def at_the_desk(work: Callable[[Desk], Awaitable[Outcome]]) -> Outcome:
    async def with_desk(house: House) -> Outcome:
        content_of = ContentLog(house.store, house.vault).reader()
        desk = Desk.of(house.settings, house.store, SystemClock(), None, content_of=content_of)
        try:
            return await work(desk)
        finally:
            desk.passwords.close()

    return within(with_desk)


async def _known(desk: Desk, email: str) -> User:
    user = await desk.users.by_email(email)
    if user is None:
        raise NotFound("There is no such user. doorward user list shows them.")
    return user


async def owner_of(house: House, email: str, scopes: Collection[Scope]) -> str:
    """The id of the user who shall own a client key. Raises `Forbidden` for scopes beyond the user's role."""
    user = await UserRows(house.store).by_email(normal_email(email))
    if user is None:
        raise NotFound("There is no such user. doorward user list shows them.")
    if not ROLE_SCOPES[user.role] >= set(scopes):
        raise Forbidden("A key's powers never exceed its owner's. Leave out the scope admin, or make the owner an admin first.")
    return user.id


def shown(user: User) -> dict[str, object]:
    return {"id": user.id, "email": user.email, "role": user.role, "created_at": user.created_at, "signed_in_at": user.signed_in_at}

"""The tree of commands. A command's module is imported when it is named, so that `doorward --help` is quick."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from doorward.cli.misuse import unknown_command


@dataclass(frozen=True, slots=True)
class Branch:
    """One noun or verb after `doorward`. `module` holds its Typer app, named `app`."""

    task: str
    name: str
    module: str
    says: str


BRANCHES = (
    Branch("Start", "serve", "doorward.cli.serve", "Run the gateway"),
    Branch("Start", "simulate", "doorward.cli.simulate", "Run the simulator alone, as an upstream to try things on"),
    Branch("Give access", "user", "doorward.cli.user", "Users: add, list, role, invite, remove, erase, export"),
    Branch("Give access", "key", "doorward.cli.key", "Client keys, for applications: create, list, revoke, rotate, purge"),
    Branch("Give access", "account", "doorward.cli.account", "Upstream keys: add, list, test, deactivate, remove, purge"),
    Branch("Give access", "provider", "doorward.cli.provider", "Upstreams: add, list, set, drain, remove"),
    Branch("Give access", "config", "doorward.cli.config_file", "APIs in the YAML file: add, remove, list, validate"),
    Branch("Give access", "route", "doorward.cli.route", "Where calls go when a model fails: set, list, remove"),
    Branch("Give access", "model", "doorward.cli.model", "Other names for models: alias, list, remove"),
    Branch("Give access", "limit", "doorward.cli.limit", "Limits of users and accounts: set, list, remove"),
    Branch("Give access", "budget", "doorward.cli.budget", "Budgets: list, set, remove"),
    Branch("Give access", "price", "doorward.cli.price", "Prices of calls: list, set, remove"),
    Branch("Look", "curl", "doorward.cli.curl", "Call the running gateway as curl would"),
    Branch("Look", "usage", "doorward.cli.usage", "What was spent, by key, user, model, tag or day"),
    Branch("Look", "tail", "doorward.cli.tail", "Follow calls live"),
    Branch("Look", "ledger", "doorward.cli.ledger", "Check that the book of calls adds up"),
    Branch("Look", "audit", "doorward.cli.audit", "Who did what: list, and verify that the record is whole"),
    Branch("Look", "doctor", "doorward.cli.doctor", "Check settings, data, keys and network, with a fix for each finding"),
    Branch("Look", "scan", "doorward.cli.scan", "Find keys in code, and calls that go around the door"),
    Branch("Keep", "migrate", "doorward.cli.migrate", "Bring the database to this version's schema"),
    Branch("Keep", "rotate-master-key", "doorward.cli.rotate", "Seal everything with a new master key"),
    Branch("Help", "help", "doorward.cli.explain", "Explain: exit-codes"),
)

OVERVIEW = """\
One door between your applications and OpenAI: it holds the keys and never shows them.

{branches}
Examples:
  doorward serve
  doorward key create --label first

Every command takes -h. Settings: docs/reference/settings.md. Exit codes: doorward help exit-codes."""


_common = typer.Typer(add_completion=False, rich_markup_mode=None)


@_common.command()
def _options(
    as_json: Annotated[bool, typer.Option("--json", expose_value=False, help="Print one JSON object.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", expose_value=False, help="No colours.")] = False,
    debug: Annotated[bool, typer.Option("--debug", expose_value=False, help="Show a traceback when something fails.")] = False,
) -> None:
    """Options of every command, declared for the parser and `-h`; `Terminal.of` reads them, also when parsing fails."""


COMMON = typer.main.get_command(_common).params


class Verb(TyperCommand):
    """A command: its own options, and the common ones."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(COMMON)


class Noun(TyperGroup):
    """A group of commands; a misspelt one is answered with the nearest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(COMMON)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise unknown_command(ctx.command_path, args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class Root(Noun):
    """`doorward` itself: the tree in `BRANCHES`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [branch.name for branch in BRANCHES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for branch in BRANCHES:
            if branch.name == cmd_name:
                command = typer.main.get_command(importlib.import_module(branch.module).app)
                command.name = branch.name
                return command
        return None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(overview()[1] + "\n")


def overview() -> tuple[dict[str, object], str]:
    """The commands as data, and as the text of `doorward` alone."""
    lines: list[str] = []
    task = ""
    for branch in BRANCHES:
        if branch.task != task:
            task = branch.task
            lines.append(f"{task}:")
        lines.append(f"  {branch.name:<19}{branch.says}")
    says = {branch.name: branch.says for branch in BRANCHES}
    return {"commands": says}, OVERVIEW.format(branches="\n".join(lines) + "\n")


def noun(says: str) -> typer.Typer:
    """An app of several verbs."""
    return typer.Typer(cls=Noun, help=says, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def verb() -> typer.Typer:
    """An app of one command."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)

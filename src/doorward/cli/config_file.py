"""`doorward config`: the operator's YAML file, edited byte for byte and checked without showing a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from doorward.adapters import base_url, documents, edit, listing, manifest
from doorward.adapters.edit import CannotEdit, Wish
from doorward.adapters.expand import NotExpanded, expand, names_in
from doorward.adapters.headers import injected_refusal
from doorward.adapters.nodes import Problem, Unreadable
from doorward.adapters.spec import NAME
from doorward.adapters.written import settings_in, unfit
from doorward.cli import config
from doorward.cli.outcome import DONE, FAILED, WRONG_USE, Failure, Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.cli.whole_file import replace_whole
from doorward.settings import Settings, environment
from doorward.wire.scrub import scrub

app = noun("The YAML file with settings and adapters.")

_LOOK = "doorward config list -f {} shows what is there"

File = Annotated[Path | None, typer.Option("-f", "--file", metavar="FILE", help="The file; else DOORWARD_CONFIG names it.")]
Name = typer.Option("--adapter-name", metavar="NAME", help="Its name in the path /v1/apis/http/NAME/.")
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the change as a diff, and change nothing.")]


@app.command("add-http-adapter", cls=Verb)
def add_http_adapter(
    adapter_name: Annotated[str, Name],
    url: Annotated[str, typer.Option("--base-url", metavar="URL", help="Where the API is; its path stands before every call's.")],
    header: Annotated[
        list[str] | None,
        typer.Option("-H", "--header", metavar="'NAME: VALUE'", help="Sent with every call; secrets as ${{ VARIABLE }}."),
    ] = None,
    file: File = None,
    allow_private: Annotated[bool, typer.Option("--allow-private", help="It may be on this machine or a private network.")] = False,
    dry_run: DryRun = False,
) -> Outcome:
    """Add an API. Every other byte of the file stays.

    \b
    doorward config add-http-adapter -f doorward.yaml --adapter-name github \\
      --base-url https://api.github.com -H 'Authorization: Bearer ${{ GITHUB_TOKEN }}'
    """
    wish = Wish(_checked_name(adapter_name), _checked_url(url), tuple(_headers(header or [])), allow_private)
    path = _path(file)
    before = _text(path) if path.exists() else ""
    after = _edited(path, lambda: edit.add(before, wish))
    found = manifest.read(after.encode(), {}, allow_private=True, expanding=False)
    if found.problems:
        raise _problems_left(path, found.problems)
    if not dry_run:
        replace_whole(path, after)
    variables = sorted({name for text in (url, *[value for _, value in wish.headers]) for name in names_in(text)})
    missing = [name for name in variables if name not in environment()]
    said = f'Adapter "{adapter_name}" added to {path}. Next: doorward config validate -f {path}'
    if missing:
        said += f"\nSet before the server reads it: {', '.join(missing)}"
    if url.startswith("http://") and not allow_private:
        said += "\nhttp:// needs allowPrivate: true in its document (--allow-private), or DOORWARD_ALLOW_PRIVATE_UPSTREAMS=1."
    data = {"file": str(path), "adapter": adapter_name, "variables": variables, "missing": missing, "written": not dry_run}
    return _changed(data, path, before, after, said, dry_run=dry_run)


@app.command("remove-http-adapter", cls=Verb)
def remove_http_adapter(adapter_name: Annotated[str, Name], file: File = None, dry_run: DryRun = False) -> Outcome:
    """Take an API out: its document, and references to it. Every other byte of the file stays."""
    path = _path(file)
    before = _text(path)
    after = _edited(path, lambda: edit.remove(before, adapter_name))
    if not dry_run:
        replace_whole(path, after)
    data = {"file": str(path), "adapter": adapter_name, "written": not dry_run}
    return _changed(data, path, before, after, f'Adapter "{adapter_name}" removed from {path}.', dry_run=dry_run)


@app.command("list", cls=Verb)
def list_(file: File = None) -> Outcome:
    """List the file's adapters: base URL as it is written, names of headers, and variables; never what these hold."""
    path = _path(file)
    found = listing.adapters(_text(path))
    held = environment()
    rows = [
        (
            adapter.name,
            adapter.base_url,
            ",".join(adapter.headers) or "-",
            ",".join(f"{name} ({'set' if held.get(name) else 'missing'})" for name in adapter.variables) or "-",
        )
        for adapter in found
    ]
    data = [
        {
            "name": adapter.name,
            "line": adapter.line,
            "base_url": adapter.base_url,
            "headers": list(adapter.headers),
            "variables": {name: bool(held.get(name)) for name in adapter.variables},
        }
        for adapter in found
    ]
    empty = "No adapters yet. Add one: doorward config add-http-adapter -h"
    return Outcome({"data": data}, Table(("NAME", "BASE URL", "HEADERS", "VARIABLES"), rows, empty))


@app.command("validate", cls=Verb)
def validate(
    file: File = None,
    variables: Annotated[
        bool, typer.Option("--variables/--no-variables", help="Whether every variable must be set here, as at the server.")
    ] = True,
) -> Outcome:
    """Check the file: every problem with its line, never a value. Exit code 1 if there is one.

    \b
    doorward config validate -f doorward.yaml
    doorward config validate -f doorward.yaml --no-variables
    """
    path = _path(file)
    found = manifest.read(_raw(path), environment(), allow_private=config.read().allow_private_upstreams, expanding=variables)
    settings, problems = settings_in(found)
    problems = sorted([*found.problems, *problems, *unfit(found, settings)], key=lambda problem: problem.line)
    data = {
        "file": str(path),
        "ok": not problems,
        "adapters": len(found.adapters),
        "settings": len(found.settings),
        "problems": [{"line": problem.line, "message": problem.says} for problem in problems],
    }
    if problems:
        listed = "\n".join(f"{path}:{problem.line}: {problem.says}" for problem in problems)
        return Outcome(data, listed, f"{len(problems)} problem{'s' * (len(problems) > 1)}.", FAILED)
    kept = f", {_number(found.foreign, 'document')} of other kinds left alone" if found.foreign else ""
    counted = f"{_number(len(found.adapters), 'adapter')}, {_number(len(found.settings), 'setting')}"
    return Outcome(data, f"{path}: ok, {counted}{kept}", exit_code=DONE)


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def _path(file: Path | None) -> Path:
    path = file or Settings().config
    if path is None:
        raise Failure("no file was named", "DOORWARD_CONFIG is not set.", "add -f FILE", "no_file", WRONG_USE)
    return path


def _raw(path: Path) -> bytes:
    try:
        return documents.raw_of(path)
    except IsADirectoryError:
        raise Failure(f"{path} is a directory", "A file is needed.", "-f FILE", "no_file", WRONG_USE) from None
    except FileNotFoundError:
        fix = f"doorward config add-http-adapter -f {path} makes it"
        raise Failure(f"{path} is not there", "No such file.", fix, "no_file", WRONG_USE) from None


def _text(path: Path) -> str:
    try:
        return documents.decode(_raw(path))
    except Unreadable as error:
        raise _problems_left(path, [Problem(error.line, error.says)]) from error


def _edited(path: Path, work: Callable[[], str]) -> str:
    try:
        return work()
    except CannotEdit as error:
        raise Failure(
            f"{path} was not changed", f"{str(error)[:1].upper()}{str(error)[1:]}.", _LOOK.format(path), "not_changed", FAILED
        ) from error
    except Unreadable as error:
        raise _problems_left(path, [Problem(error.line, error.says)]) from error


def _changed(data: dict[str, object], path: Path, before: str, after: str, said: str, *, dry_run: bool) -> Outcome:
    diff = unified(path, before, after)
    data["diff"] = diff
    if dry_run:
        return Outcome(data, diff.rstrip("\n"), "Nothing was written.")
    return Outcome(data, said=said)


def unified(path: Path, before: str, after: str) -> str:
    """A diff that `patch` takes, also where the last line has no end."""
    lines = []
    for line in difflib.unified_diff(_lines(before), _lines(after), str(path), str(path)):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """Cut at line feeds alone: `splitlines` would also cut inside a value."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        why = "It is made of letters, digits, dot, dash and underscore, and begins with a letter or digit."
        raise Failure("--adapter-name is not a name", why, "for example --adapter-name github", "wrong_use", WRONG_USE)
    return name


def _checked_url(url: str) -> str:
    try:
        _expandable(url)
        if not names_in(url):
            base_url.parse(url)
    except (base_url.NotABaseUrl, NotExpanded) as error:
        raise Failure(
            "--base-url cannot be used", f"{str(error)[:1].upper()}{str(error)[1:]}.", "for example --base-url https://api.github.com",
            "wrong_use", WRONG_USE,
        ) from error  # fmt: skip
    return url


def _headers(given: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in given:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        why = injected_refusal(name.strip(), {known.lower() for known, _ in found}) if colon else "there is no colon in it"
        if not why and (not value or not value.isprintable()):
            why = "its value is empty, or holds a control character"
        if not why:
            try:
                _expandable(value)
            except NotExpanded as error:
                why = str(error)
        if why:
            fix = "-H 'Authorization: Bearer ${{ GITHUB_TOKEN }}'"
            raise Failure("-H is not a header", f"{why[:1].upper()}{why[1:]}.", fix, "wrong_use", WRONG_USE)
        if scrub(line.encode()) != line.encode() and not names_in(value):
            why = "The value looks like a key, and the file is kept where many can read it."
            fix = f"put it into an environment variable: -H '{name.strip()}: Bearer ${{{{ VARIABLE }}}}'"
            raise Failure(f"header {name.strip()} holds a secret", why, fix, "secret_in_file", WRONG_USE)
        found.append((name.strip(), value))
    return found


def _expandable(text: str) -> None:
    """Raises `NotExpanded` for a `${{` that is not well formed; the variables need not be set here."""
    expand(text, dict.fromkeys(names_in(text), "x"))


def _problems_left(path: Path, problems: list[Problem]) -> Failure:
    first = problems[0]
    why = f"{first.says[:1].upper()}{first.says[1:]} (line {first.line})."
    return Failure(f"{path} has errors", why, f"doorward config validate -f {path} shows all problems", "file_has_errors", FAILED)

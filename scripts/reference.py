"""Writes docs/reference/: settings, commands and errors, each from the code that they describe.

python scripts/reference.py            write
python scripts/reference.py --check    exit 1 if what is written is not what the code says
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from doorward.cli.outcome import EXIT_CODES
from doorward.cli.tree import BRANCHES, COMMON
from doorward.core import errors
from doorward.settings import Settings

HERE = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py (make docs). Change the code, not this file. -->\n"


def pages() -> dict[str, str]:
    return {"settings.md": settings_page(), "cli.md": cli_page(), "errors.md": errors_page()}


def settings_page() -> str:
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    rows += [f"| {_variables(name, field)} | {_default(field)} | {_cell(field.description)} |" for name, field in _fields()]
    intro = (
        "Doorward reads its settings from the environment and from a file `.env` in the directory where it is started. "
        "A wrong value stops the start with an error that names the variable and never shows the value."
    )
    return f"# Settings\n\n{MADE}\n{intro}\n\n" + "\n".join(rows) + "\n"


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    yield from Settings.model_fields.items()


def _variables(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    names = [alias] if isinstance(alias, str) else [str(choice) for choice in alias.choices] if alias else []
    return ", ".join(f"`{name}`" for name in names) or f"`DOORWARD_{name.upper()}`"


def _default(field: FieldInfo) -> str:
    value = field.default
    return "" if value is None or value is PydanticUndefined or value == "" else f"`{value}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def cli_page() -> str:
    parts = [f"# Commands\n\n{MADE}"]
    parts.append("Every command also takes:\n\n" + "\n".join(_option(option) for option in COMMON))
    parts.append("`-h` and `--help` explain a command anywhere.")
    parts.append("## Exit codes\n\n" + "\n".join(f"- `{code}` {meaning}" for code, meaning in EXIT_CODES))
    for branch in BRANCHES:
        command = typer.main.get_command(importlib.import_module(branch.module).app)
        verbs = getattr(command, "commands", None)
        parts.append(f"## doorward {branch.name}\n\n{_command(command) if verbs is None else branch.says + '.'}")
        for name, verb in (verbs or {}).items():
            parts.append(f"### doorward {branch.name} {name}\n\n{_command(verb)}")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _command(command: Any) -> str:
    says, _, examples = (command.help or "").partition("\b")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p not in COMMON]
    parts = [" ".join(says.split())]
    if examples.strip():
        parts.append("```sh\n" + "\n".join(line.strip() for line in examples.strip().splitlines()) + "\n```")
    if arguments or options:
        parts.append("\n".join([*(f"- `{_argument(a)}`" for a in arguments), *(_option(o) for o in options)]))
    return "\n\n".join(parts)


def _argument(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(option: Any) -> str:
    names = " / ".join([*option.opts, *option.secondary_opts])
    value = f" {option.metavar}" if option.metavar and not option.is_flag else ""
    default = "" if option.is_flag or option.default in (None, "") else f" Default: `{option.default}`."
    needed = " Required." if option.required else ""
    return f"- `{names}{value}` {option.help or ''}{needed}{default}"


def errors_page() -> str:
    rows = ["| status | code | type | class |", "|---|---|---|---|"]
    found = sorted(_kinds(errors.DoorwardError), key=lambda kind: (kind.status, kind.code, kind.__name__))
    rows += [f"| {kind.status} | `{kind.code}` | `{kind.type}` | {kind.__name__} |" for kind in found]
    intro = (
        'Every refusal has OpenAI\'s shape, `{"error": {"message", "type", "param", "code"}}`, and an `x-request-id` header '
        "that joins it to the log. `x-should-retry: false` tells clients not to try again; it is left out only where waiting "
        "a little really helps. An error of an upstream keeps its own code; anything in it that looks like a key is `***`."
    )
    return f"# Errors\n\n{MADE}\n{intro}\n\n" + "\n".join(rows) + "\n"


def _kinds(kind: type[errors.DoorwardError]) -> Iterator[type[errors.DoorwardError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _kinds(below)


def main() -> int:
    stale = []
    for name, text in pages().items():
        file = HERE / name
        if not file.exists() or file.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                HERE.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    done = "stale" if "--check" in sys.argv else "written"
    print(f"{done}: {', '.join(stale)}" if stale else "docs/reference is what the code says")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

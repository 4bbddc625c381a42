"""A wrong command line -> three lines that say what would be right.

Words that were typed are named only when they look like names: somebody who writes a key where
none belongs must not find it again in the terminal, or in a log that keeps stderr.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

import typer

from doorward.cli.outcome import WRONG_USE, Failure

_NAME = re.compile(r"-{0,2}[A-Za-z][A-Za-z-]{0,24}")


def named(word: str) -> str:
    """A typed word in quotes if it can be a name, else nothing."""
    return f' "{word}"' if _NAME.fullmatch(word) else ""


def unknown_command(path: str, word: str, known: Sequence[str]) -> Failure:
    close = get_close_matches(word, known, n=1)
    return Failure(
        f"there is no command{named(word)} under {path}",
        why=f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}.",
        fix=f"{path} {close[0]} -h" if close else f"{path} -h",
        code="unknown_command",
        exit_code=WRONG_USE,
    )


def of_misuse(error: typer.TyperException) -> Failure:
    """A parser's exception -> a failure that echoes no value."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "doorward"
    return Failure(*_said(error), fix=f"{path} -h", code="wrong_use", exit_code=WRONG_USE)


def _said(error: typer.TyperException) -> tuple[str, str]:
    option = getattr(error, "option_name", None)
    if option is not None and (possible := getattr(error, "possibilities", None)):
        return f"there is no option{named(option)}", f"Did you mean {possible[0]}?"
    if option is not None and "argument" in error.message:
        return f"option{named(option)} needs a value", "It stands last, or another option follows it."
    if option is not None:
        return f"there is no option{named(option)} here", "It is misspelt, or belongs to another command."
    if isinstance(error, typer.BadParameter):
        return _of_parameter(error)
    return "too many words", "A word stands where none belongs; a value with spaces needs quotes."


def _of_parameter(error: typer.BadParameter) -> tuple[str, str]:
    parameter = error.param
    if parameter is None:
        return "a value is not accepted", "It has the wrong form."
    name = parameter.get_error_hint().strip("'\"") if parameter.param_type_name == "option" else (parameter.name or "").upper()
    if not error.message:
        return f"{name} is missing", "This command needs it."
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    wanted = "a whole number" if kind is int else "a number" if kind is float else "a value that fits"
    return f"{name} is not accepted", f"It must be {wanted}, within its bounds."

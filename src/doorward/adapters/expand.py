"""`${{ NAME }}` from the environment: one pass, no template language, what comes in is never looked at again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_USE = re.compile(r"\$\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
_OPENS = "${{"
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class NotExpanded(ValueError):
    """Why not. Names variables, never shows what is in them."""


@dataclass(frozen=True, slots=True)
class Expanded:
    text: str
    names: tuple[str, ...]
    """The variables that were used, in order."""


def names_in(text: str) -> tuple[str, ...]:
    return tuple(_USE.findall(text))


def expand(text: str, environment: Mapping[str, str]) -> Expanded:
    """Raises `NotExpanded`: a missing or empty variable, a control character in one, a `${{` that is not well formed."""
    if _OPENS not in text:
        return Expanded(text, ())
    if _OPENS in _USE.sub("", text):
        raise NotExpanded("${{ must be followed by the name of an environment variable and }}, as in ${{ NAME }}")
    names = tuple(dict.fromkeys(_USE.findall(text)))
    missing = [name for name in names if name not in environment]
    if missing:
        raise NotExpanded(f"environment variable {missing[0]} is not set")
    for name in names:
        if not environment[name].strip():
            raise NotExpanded(f"environment variable {name} is set but empty")
        if _CONTROL.search(environment[name]):
            raise NotExpanded(f"environment variable {name} holds a line break or another control character")
    return Expanded(_USE.sub(lambda use: environment[use[1]], text), names)

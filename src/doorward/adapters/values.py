"""Single values of the file: a reader raises `ValueError` for what does not fit, and whoever asked says so with the line."""

from __future__ import annotations

import re

from doorward.adapters.nodes import Node, Scalar, Sequence

_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class _Budget:
    """How many values one setting may be made of: aliases could otherwise multiply them without end."""

    left = 10_000


def plain(node: Node, budget: _Budget | None = None) -> str | list[object] | dict[str, object]:
    """A setting's value as texts, lists and mappings. Raises `ValueError` for one that is too large."""
    budget = budget or _Budget()
    budget.left -= 1
    if budget.left < 0:
        raise ValueError
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain(item, budget) for item in node.items]
    return {key.text: plain(value, budget) for key, value in node.items}


def texts(words: list[Scalar] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(word.text for word in words)


def count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 2**50:
        raise ValueError
    return int(text)


def retries(text: str) -> int:
    if text not in ("0", "1", "2", "3", "4", "5"):
        raise ValueError
    return int(text)


def seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise ValueError
    return seconds


def prices(text: str) -> str | None:
    if not _WORD.fullmatch(text):
        raise ValueError
    return text

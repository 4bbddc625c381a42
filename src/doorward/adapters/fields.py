"""Reading a mapping strictly: each field once, no other fields, every problem noted with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from doorward.adapters.nodes import Mapping, Node, Problem, Scalar, Sequence

T = TypeVar("T")


class Fields:
    """The fields of one mapping. `where` is its path in words, for the problems: ``spec.timeouts``."""

    __slots__ = ("_found", "_problems", "line", "where")

    def __init__(self, node: Node | None, where: str, known: frozenset[str], problems: list[Problem], line: int) -> None:
        self.where = where
        self.line = line if node is None else node.line
        self._problems = problems
        self._found: dict[str, Node] = {}
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return
        if not isinstance(node, Mapping):
            self.wrong(self.line, f"{where} must be a mapping")
            return
        for key, value in node.items:
            if key.text not in known:
                self.wrong(key.line, f"{where} has no field {_word(key.text)}; it takes {', '.join(sorted(known))}")
            elif key.text in self._found:
                self.wrong(key.line, f"{where}.{key.text} stands twice")
            elif not (isinstance(value, Scalar) and value.is_null):
                self._found[key.text] = value

    def wrong(self, line: int, says: str) -> None:
        self._problems.append(Problem(line, says))

    def node(self, name: str) -> Node | None:
        return self._found.get(name)

    def text(self, name: str, *, needed: bool = False) -> Scalar | None:
        node = self._found.get(name)
        if node is None:
            if needed:
                self.wrong(self.line, f"{self.where}.{name} is missing")
            return None
        if not isinstance(node, Scalar):
            self.wrong(node.line, f"{self.where}.{name} must be text")
            return None
        if needed and not node.text:
            self.wrong(node.line, f"{self.where}.{name} is empty")
            return None
        return node

    def read(self, name: str, default: T, reader: Callable[[str], T], expects: str) -> T:
        """`reader` raises `ValueError` for what does not fit; `expects` completes "must be …"."""
        scalar = self.text(name)
        if scalar is None:
            return default
        try:
            return reader(scalar.text)
        except ValueError:
            self.wrong(scalar.line, f"{self.where}.{name} must be {expects}")
            return default

    def words(self, name: str) -> list[Scalar] | None:
        """A list of scalars, or `None` if it is not there. One that is empty says nothing and is refused."""
        node = self._found.get(name)
        if node is None:
            return None
        if not isinstance(node, Sequence) or not all(isinstance(item, Scalar) for item in node.items) or not node.items:
            self.wrong(node.line, f"{self.where}.{name} must be a list of words, with at least one")
            return None
        return [item for item in node.items if isinstance(item, Scalar)]

    def one_of(self, name: str, allowed: Iterable[str]) -> frozenset[str] | None:
        words = self.words(name)
        if words is None:
            return None
        choice = frozenset(allowed)
        for word in words:
            if word.text not in choice:
                self.wrong(word.line, f"{self.where}.{name} takes {', '.join(sorted(choice))}")
        return frozenset(word.text for word in words)


def switch(text: str) -> bool:
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    raise ValueError


def _word(text: str) -> str:
    """A field's name as far as it can be shown: what does not look like one may be anything."""
    return f"`{text}`" if text.isidentifier() and len(text) <= 40 else "of that name"

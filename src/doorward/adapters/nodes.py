"""What a YAML document says, with the line of everything: scalars, mappings, sequences, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file. Never holds a value: values may be secrets."""

    line: int
    """From 1."""
    says: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.says}" if self.file else f"line {self.line}: {self.says}"


class Unreadable(Exception):
    """This document, or the whole file, is no YAML that we take."""

    def __init__(self, line: int, says: str) -> None:
        super().__init__(says)
        self.line = line
        self.says = says


@dataclass(slots=True)
class Scalar:
    text: str
    line: int
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class Mapping:
    line: int
    items: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, name: str) -> Node | None:
        """The first value under `name`, or `None`."""
        for key, value in self.items:
            if key.text == name:
                return value
        return None


@dataclass(slots=True)
class Sequence:
    line: int
    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence

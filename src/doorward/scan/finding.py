"""What was found: a kind, a place, a length. Never the value, nor a part or a hash of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["key", "call"]


@dataclass(frozen=True, slots=True)
class Finding:
    group: Group
    kind: str
    """`openai_key`, `direct_host` …: stable, for programs."""
    says: str
    """For people; names hosts and clients, never a value."""
    path: str
    """From the tree's root, with ``/``."""
    line: int
    column: int
    """Both from 1; the column in characters."""
    length: int
    """Characters."""
    print: str
    """What a baseline knows it by: made of the kind, the path and the line without the value."""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A finding within one text, before it is known where the text comes from. Offsets in bytes."""

    group: Group
    kind: str
    says: str
    start: int
    end: int

"""What a command hands back, and how it says no.

A command prints nothing itself: it returns an `Outcome` or raises a `Failure`, and
`program.main` writes either, for people or as JSON.

Exit codes: 0 done · 1 failed, or a check found something · 2 wrong use · 3 server or database
out of reach · 4 not signed in or not allowed · 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DONE, FAILED, WRONG_USE, OUT_OF_REACH, NOT_ALLOWED, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = (
    (DONE, "done"),
    (FAILED, "failed, or a check found something"),
    (WRONG_USE, "wrong use: an unknown command or option, a missing or wrong value"),
    (OUT_OF_REACH, "server or database out of reach"),
    (NOT_ALLOWED, "not signed in, or not allowed"),
    (INTERRUPTED, "interrupted"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text. A terminal gets columns that fit its width, a pipe gets tab-separated lines."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    """The sentence instead of an empty table: what belongs here, and the command that makes the first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`data` is the one object of `--json`; `result` goes to stdout, `said` to stderr (what changed, what next)."""

    data: Mapping[str, object]
    result: Table | str = ""
    said: str = ""
    exit_code: int = DONE


@dataclass(slots=True)
class Failure(Exception):
    """Three lines: what failed, why, and what to do. Never a value that somebody typed or stored."""

    error: str
    why: str
    fix: str
    code: str = "failed"
    exit_code: int = FAILED
    cause: BaseException | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.error

"""The one writer of the command line: results to stdout, everything else to stderr.

Colour only with meaning (red `error:`, yellow `warning:`, green `ok`, bold for what to type), and
only on a terminal; off with `NO_COLOR`, `TERM=dumb` and `--no-color`. A word stands beside every
colour, so nothing is lost without it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from doorward.cli.outcome import Failure, Outcome, Table
from doorward.wire.scrub import scrub

STARTED_S = time.monotonic()
"""When the program began, nearly: this module is among the first that are imported."""

_STYLES = {"error": "31", "warning": "33", "ok": "32", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True)
class Terminal:
    as_json: bool = False
    debug: bool = False
    colour: bool = False
    """Of stderr; a table on stdout looks at stdout itself."""

    @classmethod
    def of(cls, argv: Sequence[str]) -> Terminal:
        """`--json`, `--debug` and `--no-color` count wherever they stand, also when the rest is wrong."""
        asked = argv[: argv.index("--")] if "--" in argv else argv
        colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls("--json" in asked, "--debug" in asked, colour and "--no-color" not in asked)

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour else text

    def note(self, text: str) -> None:
        """For people, on stderr; silent with `--json`, where stderr is kept for a failure."""
        if not self.as_json:
            write(sys.stderr, text)

    def warn(self, text: str) -> None:
        self.note(f"{self.paint('warning', 'warning:')} {text}")

    def finish(self, outcome: Outcome) -> None:
        if self.as_json:
            write(sys.stdout, compact(outcome.data))
            return
        if isinstance(outcome.result, Table):
            _table(outcome.result, self)
        elif outcome.result:
            write(sys.stdout, outcome.result)
        if outcome.said:
            self.note(outcome.said)

    def fail(self, failure: Failure) -> None:
        """Nothing on stdout. `error:`, why and fix as three lines, or one JSON object.

        What looks like a key is cut out, whoever wrote the words: a row's label or a path may hold one.
        """
        error, why, fix = (scrub(text.encode()).decode() for text in (failure.error, failure.why, failure.fix))
        if self.as_json:
            write(sys.stderr, compact({"error": {"message": error, "code": failure.code, "hint": fix}}))
            return
        write(sys.stderr, f"{self.paint('error', 'error:')} {error}")
        write(sys.stderr, f"  why: {why}")
        write(sys.stderr, f"  fix: {fix}")


def compact(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def write(stream: TextIO, text: str) -> None:
    """A line, in what the stream can show: a character that its encoding lacks becomes `?`."""
    encoding = stream.encoding or "ascii"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def _table(table: Table, terminal: Terminal) -> None:
    if not table.rows:
        terminal.note(table.empty)
        return
    if not sys.stdout.isatty():
        for row in table.rows:
            write(sys.stdout, "\t".join(row))
        return
    from rich.console import Console  # 60 ms that only a terminal has to wait for
    from rich.table import Table as RichTable

    drawn = RichTable(box=None, pad_edge=False, header_style="bold" if terminal.colour else "")
    for name in table.columns:
        drawn.add_column(name, overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    Console(markup=False, highlight=False, no_color=not terminal.colour).print(drawn)

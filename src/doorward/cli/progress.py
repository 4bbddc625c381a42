"""How far long work is, on stderr: from the first second on, done and total, rate and time left."""

from __future__ import annotations

import sys
import time

from doorward.cli.terminal import Terminal

QUIET_S = 1.0
LINE_EVERY_S = 10.0
"""Without a terminal, a line each so often."""


class Progress:
    """Called with (done, total); `noun` is what is counted."""

    def __init__(self, terminal: Terminal, noun: str) -> None:
        self._terminal = terminal
        self._noun = noun
        self._began_s = time.monotonic()
        self._said_s = self._began_s
        self._first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if self._first is None:
            self._first = done
        live = sys.stderr.isatty()
        if self._terminal.as_json or now_s - self._began_s < QUIET_S or (not live and now_s - self._said_s < LINE_EVERY_S):
            return
        self._said_s = now_s
        rate = (done - self._first) / (now_s - self._began_s)
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
        line = f"{done:,} of {total:,} {self._noun}, {rate:.0f}/s{left}"
        sys.stderr.write(f"\r{line}\x1b[K" + ("\n" if done >= total else "") if live else line + "\n")
        sys.stderr.flush()

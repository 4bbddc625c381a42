"""How often a test does its thing: a little in `make test`, all the way in `make faults|money|chaos`."""

from __future__ import annotations

import os

FULL = os.environ.get("DOORWARD_TEST_COUNTS") == "full"


def count(name: str, *, small: int, full: int) -> int:
    """How many times `name` is done in this run; `DOORWARD_TEST_COUNTS=full` asks for the full count."""
    chosen = full if FULL else small
    if FULL:
        print(f"{name}: {chosen}")
    return chosen

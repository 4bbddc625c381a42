"""How often a test does its thing: a little in `make test`, all the way in `make faults|money|chaos`.

`DOORWARD_TEST_COUNTS=full` asks for the full counts, `full/10` for a tenth of each (never less than the little).
"""

from __future__ import annotations

import os

_WISH, _, _PART = os.environ.get("DOORWARD_TEST_COUNTS", "").partition("/")
FULL = _WISH == "full"


def count(name: str, *, small: int, full: int) -> int:
    """How many times `name` is done in this run."""
    chosen = max(small, full // int(_PART or 1)) if FULL else small
    if FULL:
        print(f"{name}: {chosen}")
    return chosen

"""What a fault test found, printed as a table by `make faults`: fault, runs, caller's outcome, attempts, verdict."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    fault: str
    rescue: bool
    runs: int
    outcome: str
    attempts: str
    verdict: str = "pass"


def record(row: Row) -> None:
    """Append to the file that `DOORWARD_FAULTS_TABLE` names, if it does."""
    if path := os.environ.get("DOORWARD_FAULTS_TABLE"):
        with Path(path).open("a") as table:
            table.write(json.dumps(asdict(row)) + "\n")

"""`make faults|money|chaos`: the same tests as in `make test`, at the issues' counts, with a table of what was found.

python scripts/full_counts.py faults [pytest's arguments]

Full counts come from `DOORWARD_TEST_COUNTS=full`, which make sets; without it the counts are small. Each test writes its
row to the file that `DOORWARD_FAULTS_TABLE` names. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as XML
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {
    "faults": ["tests/faults", "tests/laws/test_abort.py", "tests/laws/test_one_billed_call.py", "tests/adapters/test_target.py"],
    "money": ["tests/money", "tests/ledger", "tests/laws/test_money_laws.py"],
    "chaos": ["tests/chaos", "tests/money/test_kill.py", "tests/money/test_database_away.py", "tests/faults/test_storm.py"],
}
TIMEOUT_S = 3 * 3600
COLUMNS = ("fault", "route", "runs", "caller's outcome", "attempts", "verdict")


def rows(table: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []


def shown(found: list[dict[str, object]]) -> str:
    """As a Markdown table, in the order of running; what ran more than once stands once."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---|---|---|"]
    for row in {(str(row["fault"]), bool(row["rescue"])): row for row in found}.values():
        route = "--rescue" if row["rescue"] else "plain"
        lines.append(f"| {row['fault']} | {route} | {row['runs']} | {row['outcome']} | {row['attempts']} | {row['verdict']} |")
    return "\n".join(lines)


def counts(report: Path) -> tuple[int, int]:
    """-> passed, failed; a test that could not be set up has failed, one that was skipped is neither."""
    suite = XML.parse(report).getroot().find("testsuite")
    if suite is None:
        return 0, 1
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return total - skipped - failed, failed


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in KINDS:
        print(f"usage: full_counts.py {'|'.join(KINDS)} [pytest's arguments]")
        return 2
    paths = [path for path in KINDS[sys.argv[1]] if (ROOT / path).exists()]
    with tempfile.TemporaryDirectory() as directory:
        table, report = Path(directory) / "table.jsonl", Path(directory) / "report.xml"
        options = ["-q", f"--timeout={TIMEOUT_S}", f"--junitxml={report}", *sys.argv[2:]]
        command = [sys.executable, "-m", "pytest", *options, *paths]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "DOORWARD_FAULTS_TABLE": str(table)}, check=False)
        if found := rows(table):
            print(f"\n{shown(found)}\n")
        passed, failed = counts(report) if report.exists() else (0, 1)
    print(f"{passed} passed, {failed} failed")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

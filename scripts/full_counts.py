"""Run a family of tests at the issues' counts: `python scripts/full_counts.py faults|money|chaos [pytest words]`.

Prints what each test says of its counts, then a table, and ends on one line `N passed, N failed`. The exit code is
1 if any failed, or if none ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = {
    "faults": ("tests/faults", "tests/upstream/test_faults.py"),
    "money": ("tests/money", "tests/laws/test_money_laws.py"),
    "chaos": ("tests/chaos",),
}


@dataclass(frozen=True)
class Row:
    test: str
    how: str
    took_s: float


def rows(report: Path) -> Iterator[Row]:
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        how = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        place = case.get("classname", "").removeprefix("tests.").replace(".", "/")
        yield Row(f"{place}::{case.get('name')}", how, float(case.get("time", 0)))


def main(words: list[str]) -> int:
    if not words or words[0] not in FAMILIES:
        print(f"which: {' | '.join(FAMILIES)}", file=sys.stderr)
        return 2
    family, *more = words
    paths = [path for path in FAMILIES[family] if (ROOT / path).exists()]
    if not paths:
        print(f"there are no tests of {family} here", file=sys.stderr)
        print("0 passed, 0 failed")
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-s", "--no-header", "-p", "no:cacheprovider", "-o", "timeout=0"]
        command += [f"--junitxml={report}", *paths, *more]
        subprocess.run(command, cwd=ROOT, env={"DOORWARD_TEST_COUNTS": "full"} | os.environ, check=False)
        found = list(rows(report)) if report.exists() else []
    width = max((len(row.test) for row in found), default=0)
    print(f"\n{family}, {len(found)} tests, {time.monotonic() - began:.0f} s")
    for row in found:
        print(f"  {row.test:<{width}}  {row.how:<8} {row.took_s:8.1f} s")
    passed, failed = (sum(row.how == how for row in found) for how in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Replay tests/mutations.toml: change one line, run one test, demand that it goes red.

Every row names a law, a file, the text to find (once in that file), what replaces it, and the test.
The file is put back whatever happens. Ends on a line `N passed, N failed`: passed = the test noticed.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def noticed(row: dict[str, str]) -> bool:
    path = ROOT / row["file"]
    text = path.read_text()
    if text.count(row["find"]) != 1:
        print(f"  the text to change stands {text.count(row['find'])} times in {row['file']}, not once")
        return False
    try:
        path.write_text(text.replace(row["find"], row["replace"]))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", row["test"]]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    finally:
        path.write_text(text)
    # 1 = tests ran and failed. Anything else (no test found, a crash before tests ran) proves nothing.
    if done.returncode != 1:
        print(f"  pytest left with {done.returncode}:\n" + "\n".join(done.stdout.splitlines()[-5:]))
    return done.returncode == 1


def main() -> int:
    rows: list[dict[str, str]] = tomllib.loads((ROOT / "tests/mutations.toml").read_text())["mutation"]
    wanted = sys.argv[1:]
    passed = failed = 0
    for row in rows:
        if wanted and row["law"] not in wanted:
            continue
        good = noticed(row)
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok  ' if good else 'MISS'} {row['law']:<4} {row['file']}  {row['test']}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Replay tests/mutations.toml: change one line of a copy of the tree, run one test there, demand that it goes red.

    python scripts/mutants.py                every row
    python scripts/mutants.py I1 R13         the rows of these laws
    python scripts/mutants.py --sample 10    ten rows, chosen anew each day

Every row names a law, a file, the text to find (once in that file), what replaces it, and the test. Rows of
`tests/mutations.d/*.toml` are read too: there a room keeps its own until they are gathered. The tree that
people work in is never touched. Ends on a line `N passed, N failed`: passed = the test noticed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
WIDE = 2
"""Rows at a time: tests of ours hold real servers and look at the clock."""

MADE = ("src/doorward/providers/ranks", "src/doorward/ui_dist")
"""Built, ignored by git, and needed by tests."""
LINKED = ("tests/identity/oidc_server/node_modules", "ui/node_modules")

Row = dict[str, str]


def rows() -> Iterator[Row]:
    index = ROOT / "tests/mutations.toml"
    for path in [*([index] if index.exists() else []), *sorted((ROOT / "tests/mutations.d").glob("*.toml"))]:
        yield from tomllib.loads(path.read_text())["mutation"]


@contextmanager
def tree() -> Iterator[Path]:
    """A copy of what is here now, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="doorward-mutants-") as name:
        copy = Path(name)
        for relative in listed.decode().split("\0"):
            if relative and (ROOT / relative).is_file():
                (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / relative, copy / relative)
        for relative in MADE:
            if (ROOT / relative).is_dir():
                shutil.copytree(ROOT / relative, copy / relative, dirs_exist_ok=True)
        for relative in LINKED:
            if (ROOT / relative).is_dir():
                (copy / relative).parent.mkdir(parents=True, exist_ok=True)
                (copy / relative).symlink_to(ROOT / relative)
        yield copy


def noticed(row: Row, copy: Path) -> str:
    """Empty when the test went red, else why the row proves nothing."""
    path = copy / row["file"]
    if not path.is_file():
        return f"there is no {row['file']}"
    text = path.read_text()
    if text.count(row["find"]) != 1:
        return f"the text to change stands {text.count(row['find'])} times in {row['file']}, not once"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    # the copy's own package and tests, whatever is installed
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        path.write_text(text.replace(row["find"], row["replace"]))
        done = subprocess.run(
            [*command, f"--basetemp={copy}/.tests", row["test"]],
            cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""  # it hangs where it passed before: noticed
    finally:
        path.write_text(text)
    # 1 = tests ran and failed. Anything else (no test found, a crash before tests ran) proves nothing.
    return "" if done.returncode == 1 else f"pytest left with {done.returncode}: " + " / ".join(done.stdout.splitlines()[-3:])


def chosen() -> list[Row]:
    parser = argparse.ArgumentParser(description="Break each law's line and see its test go red.")
    parser.add_argument("laws", nargs="*", help="only the rows of these laws")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many rows, chosen anew each day")
    given = parser.parse_args()
    found = [row for row in rows() if not given.laws or row["law"] in given.laws]
    if given.sample is not None and given.sample < len(found):
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        found = random.Random(today).sample(found, given.sample)
    return found


def main() -> int:
    found = chosen()
    failed = 0
    with tree() as one, tree() as two, ThreadPoolExecutor(WIDE) as workers:
        free: Queue[Path] = Queue()
        for copy in (one, two):
            free.put(copy)

        def replay(row: Row) -> tuple[Row, str]:
            copy = free.get()
            try:
                return row, noticed(row, copy)
            finally:
                free.put(copy)

        for row, why in workers.map(replay, found):
            failed += bool(why)
            print(f"{'MISS' if why else 'ok  '} {row['law']:<5} {row['file']}  {row['test']}", flush=True)
            if why:
                print(f"     {why}", flush=True)
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make mutants` takes long, so each row is looked at here: its text stands once, its test is there, every law has a row."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAWS = {f"I{number}" for number in range(1, 15)}


def rows() -> Iterator[dict[str, str]]:
    for path in [ROOT / "tests/mutations.toml", *sorted((ROOT / "tests/mutations.d").glob("*.toml"))]:
        if path.exists():
            yield from tomllib.loads(path.read_text())["mutation"]


def faults(row: dict[str, str]) -> str | None:
    file = ROOT / row["file"]
    if not file.is_file() or file.read_text().count(row["find"]) != 1:
        return f"{row['law']}: the text to change does not stand once in {row['file']}: {row['find'][:60]!r}"
    if row["find"] == row["replace"]:
        return f"{row['law']}: the change in {row['file']} changes nothing"
    place, *names = row["test"].split("::")
    name = names[-1].partition("[")[0] if names else ""
    if not (ROOT / place).is_file() or f"{name}" not in (ROOT / place).read_text():
        return f"{row['law']}: there is no test {row['test']}"
    return None


def test_every_row_still_means_something() -> None:
    assert [fault for row in rows() if (fault := faults(row))] == []


def test_every_law_has_a_row() -> None:
    assert LAWS - {row["law"] for row in rows()} == set()


def test_canary_a_stale_row_is_seen() -> None:
    row = {"law": "I1", "file": "src/doorward/app.py", "find": "no such line", "replace": "", "test": "tests/laws/search.py"}
    assert faults(row)
    assert faults({**row, "find": "def create(settings: Settings) -> App:", "test": "tests/none.py::test_none"})

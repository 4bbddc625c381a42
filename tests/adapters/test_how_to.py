"""What the how-to says is what the program does: its file loads, its table names every field."""

from __future__ import annotations

import re
from pathlib import Path

from doorward.adapters import manifest, spec
from doorward.adapters.written import settings_in, unfit

TEXT = (Path(__file__).parents[2] / "docs/how-to/adapters.md").read_text()


def test_the_example_file_loads() -> None:
    example = re.search(r"```yaml\n(apiVersion: .*?)```", TEXT, re.DOTALL)
    assert example is not None
    variables = dict.fromkeys(re.findall(r"\$\{\{ ([A-Z_]+) \}\}", example[1]), "value-of-it")
    found = manifest.read(example[1].encode(), variables)
    assert found.problems == []
    assert list(found.adapters) == ["openai", "github", "local"]
    settings, problems = settings_in(found)
    assert (settings, problems, unfit(found, settings)) == ({"port": "8080", "log_level": "info"}, [], [])


def test_the_table_names_every_field_and_no_other() -> None:
    table = TEXT.partition("## Every field")[2].partition("## Money")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == spec._SPEC

"""What the guides show runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.house import CANARY
from tests.serving import serving

from doorward.connector import Bearer, Config
from doorward.simulator.app import Simulator

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def snippets(name: str) -> dict[str, Any]:
    """All Python blocks of a guide, run in order in one namespace."""
    space: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (GUIDES / name).read_text(), re.DOTALL):
        exec(compile(block, name, "exec"), space)
    return space


async def test_the_connectors_guide(capsys: pytest.CaptureFixture[str]) -> None:
    shown = snippets("connector.md")
    async with serving(Simulator()) as url, Config(auth=Bearer(CANARY), base_url=f"{url}/v1") as config:
        await shown["main"](CANARY, f"{url}/v1")
        assert "sky" in capsys.readouterr().out
        one, two = await shown["both"](config)
        assert one == two
        said = await shown["say"](config, shown["with_parts"]("data:image/png;base64,iVBORw0KGgo="))
        assert said


def test_every_function_and_suite_of_the_table_is_there() -> None:
    import doorward.connector as connector

    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| `(\w+)` \|$", (GUIDES / "connector.md").read_text(), re.MULTILINE)
    assert len(rows) == 8
    for module, functions, suite in rows:
        assert hasattr(connector, suite)
        for function in re.findall(r"`(\w+)`", functions):
            assert callable(getattr(getattr(connector, module), function)), function


def test_the_guide_to_ones_own_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = snippets("your-own-app.md")["app"]
    assert {"/api/v1/me/openai-key", "/api/v1/chat"} <= set(app.openapi()["paths"])

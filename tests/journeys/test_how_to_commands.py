"""The operators' how-to pages: every command runs as it stands, every variable and every inline command exists."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.answers import json_answer
from tests.cli.conftest import environment
from tests.cli.test_config_journey import served
from tests.conftest import required
from tests.house import CANARY
from tests.scripted import ScriptedUpstream

from doorward.cli.program import run

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
VARIABLES = {"OPENAI_API_TOKEN": "sk-how-to-0123456789", "OPENAI_ORGANIZATION": "org-1", "GITHUB_TOKEN": "ghp-how-to"}
MADE_ELSEWHERE = {"DOORWARD_URL", "DOORWARD_KEY", "DOORWARD_ADMIN_KEY"}
"""Read by the command line's calls and by the pages' own examples, not settings of a server."""


def blocks(page: str, language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)
    return found


def shell(text: str, folder: Path, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**environment(folder / "data", **variables), "PATH": path}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=env, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(120)
async def test_the_page_on_adapters(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        required("node")
    async with ScriptedUpstream(lambda request: json_answer({"asked": request.target})) as up:
        await asyncio.to_thread(_adapters, tmp_path, up.base_url)
        assert {request.header("authorization") for request in up.requests} == {"Bearer ghp-how-to", "Bearer sk-how-to-0123456789"}


def _adapters(folder: Path, upstream: str) -> None:
    [example] = [block for block in blocks("adapters.md", "yaml") if block.startswith("apiVersion")]
    assert example.count("https://api.") == 2
    file = folder / "doorward.yaml"
    file.write_text(re.sub(r"https://api\.\w+\.com", upstream, example))
    commands, calls, fetched = blocks("adapters.md", "sh")
    before = file.read_text()
    loopback = {"DOORWARD_ALLOW_PRIVATE_UPSTREAMS": "1", **VARIABLES}
    said = shell(commands, folder, **loopback)
    assert "+  name: weather" in said
    assert file.read_text() == before
    key = json.loads(shell("doorward key create --label first --json", folder))["key"]
    with served(folder / "data", DOORWARD_CONFIG=str(file), **loopback) as url:
        place = {"DOORWARD_URL": url, "DOORWARD_KEY": key}
        here = [("http://localhost:8080", url), ("dw-...", key)]
        said = shell(_replaced(calls, here), folder)
        assert '{"asked": "/user"}' in said
        assert '{"asked": "/user/repos?per_page=5"}' in said
        shell(_replaced(fetched, here), folder)
        _, in_node = blocks("adapters.md", "js")
        (folder / "page.mjs").write_text(in_node + "console.log(JSON.stringify(models));\n")
        assert '{"asked":"/v1/models"}' in shell("node page.mjs", folder, **place)
        [in_python] = blocks("adapters.md", "python")
        (folder / "page.py").write_text(in_python)
        run_it = f"import asyncio; c = compile(open('page.py').read(), 'page', 'exec', {ast.PyCF_ALLOW_TOP_LEVEL_AWAIT}); "
        shell(f'python -c "{run_it}asyncio.run(eval(c))"', folder, **place)


def _replaced(text: str, pairs: list[tuple[str, str]]) -> str:
    for old, new in pairs:
        assert old in text or new != pairs[0][1]
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("page", ["custody.md", "scan.md", "sign-in.md"])
def test_every_command_of_the_other_pages_works(tmp_path: Path, page: str) -> None:
    (tmp_path / "key.txt").write_text(CANARY)
    commands = blocks(page, "sh")
    assert commands
    if page == "scan.md":
        (tmp_path / "key.txt").unlink()
    for command in commands:
        shell(command, tmp_path)


@pytest.mark.parametrize("page", sorted(page.name for page in PAGES.glob("*.md")))
def test_every_variable_and_every_inline_command_exists(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (PAGES / page).read_text()
    known = set(re.findall(r"DOORWARD_[A-Z_]+", (REFERENCE / "settings.md").read_text())) | MADE_ELSEWHERE
    assert set(re.findall(r"\bDOORWARD_[A-Z_]+\b", text)) <= known
    for command in re.findall(r"`(?:[A-Z_]+=\S+ )?doorward ([a-z][^`]*)`", text):
        words = re.match(r"[a-z-]+(?: [a-z-]+)?", command)
        assert words is not None
        for tried in (words[0], words[0].split()[0]):
            capsys.readouterr()
            if run([*tried.split(), "--help"]) == 0:
                break
        told = capsys.readouterr().out
        assert "Usage: doorward" in told, command
        for option in re.findall(r"(?<!\S)--[a-z-]+", command):
            assert option in told, f"doorward {command}"

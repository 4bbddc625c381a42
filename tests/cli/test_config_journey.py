"""An operator's way from an empty file to a call (R25, R26): the commands as people type them, the diff printed."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.answers import json_answer, sse_answer
from tests.cli.conftest import Doorward, environment
from tests.scripted import ScriptedUpstream

TOKEN = "op-canary-8sJ4kQ2mZ7xW9vB3"


@contextmanager
def served(data_dir: Path, **changes: str) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "doorward", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=data_dir.parent,
        env=environment(data_dir, **changes),
    )
    assert process.stderr is not None
    url = ""
    try:
        for line in process.stderr:
            url = found[0] if (found := re.search(r"http://localhost:\d+", line)) else url
            if "Ctrl+C stops." in line:
                break
        yield url
    finally:
        process.terminate()
        process.stderr.read()
        process.stderr.close()
        process.wait(20)


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(
        lambda request: sse_answer(["1", "2"]) if "events" in request.target else json_answer({"data": []})
    ) as made:
        yield made


async def test_from_an_empty_file_to_a_call(tmp_path: Path, up: ScriptedUpstream, doorward: Doorward) -> None:
    await asyncio.to_thread(_journey, tmp_path, up, doorward)


def _journey(tmp_path: Path, up: ScriptedUpstream, run: Doorward) -> None:
    data_dir, file = tmp_path / "data", tmp_path / "team.yaml"
    file.write_text("# ours\nkind: Canvas\nspec:\n  adapterRefs: []\n")
    add = ("config", "add-http-adapter", "-f", str(file), "--adapter-name", "openai", "--base-url", up.base_url, "--allow-private")
    header = ("-H", "Authorization: Bearer ${{ OPENAI_API_TOKEN }}")
    diff = run(*add, *header, "--dry-run")
    print(diff.out)
    assert diff.out.count("\n+") > 10
    assert run(*add, *header).code == 0
    variables = {"DOORWARD_CONFIG": str(file), "OPENAI_API_TOKEN": TOKEN}
    assert run("config", "validate", **variables).code == 0
    missing = run("serve", "--port", "0", DOORWARD_CONFIG=str(file))
    missing.fails(2, "OPENAI_API_TOKEN is not set")
    key = run("key", "create", "--label", "first", "--json").json["key"]
    with served(data_dir, **variables) as url:
        asked = {"DOORWARD_URL": url, "DOORWARD_KEY": key}
        path = "/v1/apis/http/openai/v1/models"
        assert run("curl", path, **asked).out == '{"data": []}'
        assert up.requests[-1].header("authorization") == f"Bearer {TOKEN}"
        assert up.requests[-1].target == "/v1/models"
        assert run("curl", "/v1/apis/http/openai/events", **asked).out == "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n"
        run("curl", path + "?a=b", "-X", "PATCH", "-d", '{"x": 1}', "-H", "If-Match: v1", **asked)
        sent = up.requests[-1]
        assert (sent.method, sent.target, sent.body, sent.header("if-match")) == ("PATCH", "/v1/models?a=b", b'{"x": 1}', "v1")
        head = run("curl", "-i", path, **asked).out
        assert head.startswith("HTTP/1.1 200 OK")
        refused = run("curl", "-f", "/v1/apis/http/nothing/x", **asked)
        assert (refused.code, '"adapter_not_found"' in refused.out, refused.err) == (1, True, "HTTP 404 Not Found\n")
        run("curl", path, DOORWARD_URL=url).fails(2, "DOORWARD_KEY is not set")
        run("curl", path, DOORWARD_KEY=key).fails(2, "DOORWARD_URL is not set")
        run("curl", path, DOORWARD_URL="http://127.0.0.1:1", DOORWARD_KEY=key).fails(3, "does not answer")
        _live(run, file, asked, variables)
        code = (
            "import asyncio, doorward\n"
            f"print(doorward.proxy_fetch('{path}').json())\n"
            f"print(asyncio.run(doorward.proxy_fetch.aio('{path}', json={{'a': 1}})).status)\n"
            f"print(b''.join(doorward.proxy_fetch('/v1/apis/http/openai/events'))[:8])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment(data_dir, **asked), check=False
        )
        assert done.stdout == "{'data': []}\n200\nb'data: 1\\n'\n", done.stderr


def _live(run: Doorward, file: Path, asked: dict[str, str], variables: dict[str, str]) -> None:
    """A changed file is in force within two seconds; a bad one is not, and is told."""
    good = file.read_text()
    file.write_text(good.replace("name: openai", "name: renamed"))
    started = time.monotonic()
    while '"adapter_not_found"' in run("curl", "-s", "/v1/apis/http/renamed/x", **asked).out:
        assert time.monotonic() - started < 4
    file.write_text(good + "---\nkind: HTTP\n")
    started = time.monotonic()
    while "the file was changed and has errors" not in run("curl", "--no-key", "/readyz", **asked).out:
        assert time.monotonic() - started < 4
    assert run("curl", "-f", "/v1/apis/http/renamed/x", **asked).code == 0
    assert run("doctor", **variables).code == 1
    file.write_text(good)
    started = time.monotonic()
    while run("curl", "-f", "-s", "/v1/apis/http/openai/x", **asked).code:
        assert time.monotonic() - started < 4

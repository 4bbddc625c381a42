"""The example apps as people run them: uvicorn in a process of its own, an upstream that is scripted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.answers import chat_answer
from tests.house import CANARY
from tests.scripted import ScriptedUpstream

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADA, GRACE = ("ada", "lovelace"), ("grace", "hopper")


@contextlib.asynccontextmanager
async def running(name: str, tmp_path: Path, base_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    foreign = ("DOORWARD_", "OPENAI_", "ANTHROPIC_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    environment = {**kept, "OPENAI_BASE_URL": base_url, "DOORWARD_ALLOW_PRIVATE_UPSTREAMS": "1"}
    command = ["-m", "uvicorn", f"{name}:app", "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = b""
    try:
        while (found := re.search(rb"running on (http://[0-9.:]+)", said)) is None:
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert line, said.decode()
            said += line
        async with httpx2.AsyncClient(base_url=f"{found[1].decode()}/api/v1", timeout=15, trust_env=False) as client:
            yield client
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        said += (await process.communicate())[1]
    assert b"Traceback" not in said, said.decode()
    assert b"shutdown complete" in said, said.decode()
    assert CANARY.encode() not in said


@pytest.mark.parametrize(
    ("name", "path", "setter", "asker", "nobody"),
    [
        ("custody_per_user", "/me/openai-key", ADA, ADA, 401),
        ("custody_admin", "/openai-key", ADA, GRACE, 401),
        ("custody_anonymous", "/openai-key", None, None, 200),
    ],
)
async def test_an_example_app_does_what_it_says(
    tmp_path: Path, name: str, path: str, setter: tuple[str, str] | None, asker: tuple[str, str] | None, nobody: int
) -> None:
    async with ScriptedUpstream(chat_answer("Blue.")) as up, running(name, tmp_path, up.base_url) as client:
        body = f'{{"key": "{CANARY}"}}'  # as curl -d sends it, without a content type of JSON
        assert (await client.put(path, content=body, auth=setter)).status_code == 204
        assert (await client.get(path, auth=setter)).json() == {"configured": True}
        asked = await client.post("/chat", content='{"prompt": "Why is the sky blue?"}', auth=asker)
        assert (asked.status_code, asked.json()) == (200, {"text": "Blue."})
        assert up.requests[0].header("authorization") == f"Bearer {CANARY}"
        assert (await client.post("/chat", json={"prompt": "Why?"})).status_code == nobody
        if name == "custody_admin":
            assert (await client.put(path, content=body, auth=GRACE)).status_code == 403


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("custody_*.py")), ids=lambda file: file.stem)
def test_an_example_is_about_thirty_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 35

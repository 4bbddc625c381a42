"""`doorward serve` as people run it: a process of its own, its log at debug level in a file.

async with served(tmp_path, DOORWARD_CUSTODY="admin") as door:
    door.url, door.log, door.pid, await door.cli("user", "add", "ann@example.com", stdin="…")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

FOREIGN = ("DOORWARD_", "OPENAI_", "ANTHROPIC_", "OTEL_")
PASSWORD = "correct horse battery"


def environment(data_dir: Path, changes: dict[str, str]) -> dict[str, str]:
    """This machine's, without what would be a setting."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "DOORWARD_DATA_DIR": str(data_dir), **changes}


async def command(data_dir: Path, *words: str, stdin: str = "", **changes: str) -> tuple[int, str, str]:
    """One `doorward` command -> exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "doorward", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(data_dir, changes), cwd=data_dir.parent,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    return process.returncode or 0, out.decode(), err.decode()


@dataclass
class Served:
    url: str
    pid: int
    data_dir: Path
    log: Path
    changes: dict[str, str]

    async def cli(self, *words: str, stdin: str = "") -> Any:
        """The one JSON object that a command prints; it must succeed."""
        code, out, err = await command(self.data_dir, *words, "--json", stdin=stdin, **self.changes)
        assert code == 0, (words, out, err)
        return json.loads(out)

    async def user(self, email: str, *words: str) -> str:
        """-> its id."""
        return str((await self.cli("user", "add", email, *words, "--password-stdin", stdin=PASSWORD))["id"])

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        """Keeps cookies, and says as browsers do that its page is ours."""
        own = {"origin": self.url, "sec-fetch-site": "same-origin", **headers}
        return httpx2.AsyncClient(base_url=self.url, headers=own, timeout=20, trust_env=False)

    def program(self, key: str | None = None) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    @contextlib.asynccontextmanager
    async def signed_in(self, email: str) -> AsyncIterator[httpx2.AsyncClient]:
        async with self.browser() as browser:
            answer = await browser.post("/api/v1/session", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield browser


async def refused_start(data_dir: Path, *words: str, **changes: str) -> str:
    """What a server says that must not start."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    code, out, err = await command(data_dir, "serve", "--port", "0", *words, **changes)
    assert (code != 0, out) == (True, ""), (code, out, err)
    return err


@contextlib.asynccontextmanager
async def served(tmp_path: Path, *, name: str = "data", **changes: str) -> AsyncIterator[Served]:
    data_dir, log = tmp_path / name, tmp_path / f"{name}.log"
    given = {"DOORWARD_LOG_LEVEL": "debug", "DOORWARD_DRAIN_S": "1", "DOORWARD_ALLOW_PRIVATE_UPSTREAMS": "1", **changes}
    began = log.stat().st_size if log.exists() else 0
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "doorward", "serve", "--port", "0",
            stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment(data_dir, given), cwd=tmp_path,
        )  # fmt: skip
    try:
        url = await asyncio.wait_for(_ready(process, log, began), 40)
        yield Served(url, process.pid, data_dir, log, given)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)


async def _ready(process: asyncio.subprocess.Process, log: Path, began: int) -> str:
    """The address, once the server says that it is ready."""
    while True:
        said = log.read_bytes()[began:].decode()
        if "Ctrl+C stops." in said:
            found = re.search(r"API +(http\S+)/v1", said)
            assert found, said
            return found[1]
        assert process.returncode is None, said
        await asyncio.sleep(0.03)

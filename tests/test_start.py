"""Starting light: what a fresh process has imported and weighs once it can serve (issue 2: 90 MB, a first answer in 1.5 s)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FIRST_USE = {
    "alembic": "a database whose schema is old",
    "anthropic": "never",
    "argon2": "a password",
    "asyncpg": "PostgreSQL",
    "authlib": "OIDC",
    "fastapi": "the control plane, the apps",
    "genai_prices": "building the price table",
    "jsonschema": "a schema",
    "mcp": "a tool server",
    "numpy": "search",
    "openai": "the connector",
    "opentelemetry": "a collector",
    "pygments": "a terminal",
    "redis": "a Redis",
    "rich": "a terminal",
    "ruamel": "a configuration file",
    "sqlalchemy.dialects.postgresql": "PostgreSQL",
    "starlette": "as fastapi",
    "tiktoken": "counting tokens",
    "webauthn": "a passkey",
}
"""Not there after the start; what brings each of them in."""

MOST_MB = 110
"""Far above what is measured (docs/benchmarks.md), for other C libraries and allocators; `make bench` compares with the aim."""
MOST_CPU_S = 10.0

PROGRAM = """
import asyncio, json, sys, time
import uvloop
import doorward.cli.serve
from doorward.app import App
from doorward.settings import Settings
from doorward.store.made_apart import make_apart
from pathlib import Path

settings = Settings(_env_file=None, data_dir=Path(sys.argv[1]))
make_apart(settings.url)

async def main():
    app = App(settings)
    await app.start()
    said = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    print(json.dumps({"mb": int(said["VmRSS"].split()[0]) / 1024, "cpu_s": time.process_time(), "modules": sorted(sys.modules)}))
    await app.stop()

uvloop.run(main())
"""


def started(data_dir: Path) -> tuple[float, float, list[str]]:
    """-> MB resident, CPU seconds from the first line to a start, modules."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(data_dir.parent), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(data_dir)], capture_output=True, text=True, check=True, env=environment, timeout=50
    )
    said = json.loads(done.stdout)
    return said["mb"], said["cpu_s"], said["modules"]


def test_a_first_start_imports_only_what_serving_calls_needs(tmp_path: Path) -> None:
    mb, cpu_s, modules = started(tmp_path / "data")
    print(f"{mb:.0f} MB resident, {cpu_s:.2f} s of CPU")
    there = [name for name in FIRST_USE if any(module == name or module.startswith(name + ".") for module in modules)]
    assert there == []
    assert "doorward.relay.pipeline" in modules
    assert mb < MOST_MB
    assert cpu_s < MOST_CPU_S

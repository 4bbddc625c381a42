"""An agent's desk with an adapter `shop` in the operator's file, and a scripted API behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.apps.desk import Desk, scripted_desk
from tests.apps.test_agent import once
from tests.scripted import ScriptedUpstream

TOOL = "fetch_through_adapter"
TOKEN = "tok-canary-4uS8vP1wJ6lA3mK7"


def document(name: str, base_url: str, *more: str) -> str:
    lines = [
        "---",
        "apiVersion: moment.dev/adapters/v1alpha1",
        "kind: HTTP",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  baseUrl: {base_url}",
        "  headers:",
        '    - {name: Authorization, value: "Bearer ${{ AGENT_TEST_TOKEN }}"}',
        *[f"  {line}" for line in more],
    ]
    return "\n".join(lines) + "\n"


@contextlib.asynccontextmanager
async def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Any, answer: Any, *more: str, **settings: Any
) -> AsyncIterator[tuple[Desk, ScriptedUpstream, ScriptedUpstream]]:
    """-> the desk, the model, the API behind the adapter `shop`."""
    monkeypatch.setenv("AGENT_TEST_TOKEN", TOKEN)
    async with ScriptedUpstream(script) as model, ScriptedUpstream(answer) as api:
        tmp_path.mkdir(exist_ok=True)
        file = tmp_path / "doorward.yaml"
        file.write_text(document("shop", api.base_url, *more))
        async with scripted_desk(tmp_path, model, config=file, **settings) as here:
            yield here, model, api


def wants(adapter: str = "shop", path: str = "/items?page=2", **more: str) -> Any:
    return once((TOOL, {"adapter": adapter, "path": path, **more}))

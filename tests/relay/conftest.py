"""A door with one scripted upstream behind it: `door.up`, models `m*`, one operator account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import chat_answer
from tests.house import House, house
from tests.scripted import ScriptedUpstream

HELLO = {"model": "m1", "messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Door:
    house: House
    up: ScriptedUpstream
    key: str
    client: httpx2.AsyncClient

    async def chat(self, **fields: Any) -> httpx2.Response:
        return await self.client.post("/v1/chat/completions", json={**HELLO, **fields})


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(chat_answer()) as upstream:
        yield upstream


@pytest.fixture
async def door(tmp_path: Path, up: ScriptedUpstream) -> AsyncIterator[Door]:
    async with house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "m*", prices="free")
        await home.account("scripted")
        key = await home.key()
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20) as client:
            yield Door(home, up, key, client)

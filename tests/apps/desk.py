"""A whole Doorward whose apps ask the simulator, or a scripted upstream, with a client key of an ordinary caller."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.house import House, house
from tests.scripted import ScriptedUpstream

SIMULATED = {"default_model": "sim-gpt-4o-mini", "embedding_model": "sim-text-embedding-3-small"}


@dataclass
class Desk:
    http: httpx2.AsyncClient
    door: House
    key: str

    def headers(self, key: str | None = None, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key or self.key}", **more}

    async def ask(
        self, method: str, path: str, body: Any = None, *, status: int = 200, key: str | None = None, **headers: str
    ) -> Any:
        sent = {} if body is None else {"json": body}
        answer = await self.http.request(method, path, headers=self.headers(key, **headers), **sent)
        assert answer.status_code == status, answer.text
        assert answer.headers["x-request-id"]
        return answer.json()

    async def refused(self, method: str, path: str, status: int, body: Any = None, **rest: Any) -> dict[str, Any]:
        shape = await self.ask(method, path, body, status=status, **rest)
        assert set(shape) == {"error"}
        assert set(shape["error"]) == {"message", "type", "param", "code"}
        return shape["error"]

    async def other(self) -> str:
        """A key of somebody else."""
        return await self.door.key(label="other")


@contextlib.asynccontextmanager
async def desk(tmp_path: Path, **settings: Any) -> AsyncIterator[Desk]:
    async with house(tmp_path, **{**SIMULATED, **settings}) as door:
        async with httpx2.AsyncClient(base_url=door.url, timeout=15, trust_env=False) as http:
            yield Desk(http, door, await door.key())


@contextlib.asynccontextmanager
async def scripted_desk(tmp_path: Path, up: ScriptedUpstream, **settings: Any) -> AsyncIterator[Desk]:
    """The default model `scripted-1` is served by the scripted upstream."""
    given = {"default_model": "scripted-1", "embedding_model": "scripted-embed", **settings}
    async with desk(tmp_path, **given) as opened:
        await opened.door.provider("scripted", up.base_url, "scripted-*", auth="none", prices="free")
        yield opened

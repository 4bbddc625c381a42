"""A client of the control plane with an admin key, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.house import CANARY, House, house


class Plane:
    """A client with an admin key; `refused` insists on OpenAI's error shape."""

    def __init__(self, http: httpx2.AsyncClient, door: House, admin: str) -> None:
        self.http = http
        self.door = door
        self.admin = admin

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, key: str | None = None) -> Any:
        headers = {"authorization": f"Bearer {key or self.admin}"}
        answer = await self.http.request(method, f"/api/v1{path}", headers=headers, **({} if body is None else {"json": body}))
        assert answer.status_code == status, answer.text
        assert answer.headers["x-request-id"].startswith("req_")
        assert CANARY not in answer.text
        return answer.json()

    async def refused(self, method: str, path: str, status: int, body: Any = None, *, key: str | None = None) -> dict[str, Any]:
        return error_of(await self.ask(method, path, body, status=status, key=key))


def error_of(shape: Any) -> dict[str, Any]:
    assert set(shape) == {"error"}, shape
    assert set(shape["error"]) == {"message", "type", "param", "code"}
    assert shape["error"]["message"]
    assert shape["error"]["code"]
    return shape["error"]


@asynccontextmanager
async def plane(tmp_path: Path, **settings: Any) -> AsyncIterator[Plane]:
    async with house(tmp_path, **settings) as door, httpx2.AsyncClient(base_url=door.url, timeout=10, trust_env=False) as http:
        yield Plane(http, door, await door.key(scopes=("call", "me", "admin"), label="admin"))


OPENAI_LIKE = {"id": "second", "base_url": "https://api.example.com/v1/", "supported_models": ["big-*", "Exact-1"]}
ACCOUNT = {"provider_id": "openai", "label": "main", "auth_data": {"api_key": f"  {CANARY}\n"}, "is_active": True}

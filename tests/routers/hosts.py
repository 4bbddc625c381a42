"""Other people's apps, as tests make them: users by a header, the routers below /api/v1, an upstream that is scripted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI, Header, HTTPException
from tests.answers import chat_answer
from tests.scripted import ScriptedUpstream
from tests.serving import serving

from doorward.routers import openai_admin, openai_anonymous, openai_per_user
from doorward.routers.custody import HouseRouter

ADMINS, OUTSIDERS = {"ada"}, {"mallory"}


def current_user(x_user: str | None = Header(None)) -> str | None:
    if x_user == "expired":
        raise HTTPException(401, "token expired", headers={"WWW-Authenticate": "Bearer"})
    if x_user == "teapot":
        raise HTTPException(418, "not here")
    return x_user


async def is_admin(user: str) -> bool:
    return user in ADMINS


def router_of(mode: str, tmp_path: Path, base_url: str, **more: Any) -> HouseRouter:
    options: dict[str, Any] = {"data_dir": tmp_path / "data", "openai_base_url": base_url, "allow_private_upstreams": True, **more}
    if mode == "anonymous":
        return openai_anonymous(**{"spend_cap_usd": 5, **options})
    if mode == "admin":
        who: dict[str, Any] = {"is_admin": is_admin, "is_user": lambda user: user not in OUTSIDERS}
        return openai_admin(current_user=current_user, **who, **options)
    return openai_per_user(current_user=current_user, **options)


@dataclass
class Host:
    client: httpx2.AsyncClient
    up: ScriptedUpstream
    router: HouseRouter
    app: FastAPI
    url: str

    async def ask(self, prompt: str = "Why?", user: str | None = None, **headers: str) -> httpx2.Response:
        return await self.client.post("/api/v1/chat", json={"prompt": prompt}, headers=self.of(user, headers))

    async def put(self, path: str, key: Any, user: str | None = None, **headers: str) -> httpx2.Response:
        return await self.client.put(f"/api/v1{path}", json={"key": key}, headers=self.of(user, headers))

    async def get(self, path: str, user: str | None = None) -> httpx2.Response:
        return await self.client.get(f"/api/v1{path}", headers=self.of(user, {}))

    @staticmethod
    def of(user: str | None, headers: dict[str, str]) -> dict[str, str]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**fields, **({"x-user": user} if user else {})}


@contextlib.asynccontextmanager
async def host(mode: str, tmp_path: Path, script: Any = None, **options: Any) -> AsyncIterator[Host]:
    async with ScriptedUpstream(script or chat_answer("Blue.")) as up:
        router = router_of(mode, tmp_path, options.pop("openai_base_url", up.base_url), **options)
        app = FastAPI()
        app.include_router(router, prefix="/api/v1")
        try:
            async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=15, trust_env=False) as client:
                yield Host(client, up, router, app, url)
        finally:
            await router.close()


def error_of(answer: httpx2.Response) -> tuple[int, str, str]:
    """-> status, code, message of OpenAI's shape."""
    shape = answer.json()
    assert set(shape) == {"error"}, shape
    assert set(shape["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    return answer.status_code, shape["error"]["code"], shape["error"]["message"]

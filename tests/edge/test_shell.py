"""What the pages ask first, on a whole Doorward: the models one can use, and whether the stored key works."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
from tests.answers import Answer, error_answer, json_answer
from tests.house import CANARY, House, house
from tests.identity.front import error_of
from tests.scripted import Request, ScriptedUpstream

from doorward.core.secret import Secret

PASSWORD = "correct horse battery"
LIST = {"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "openai"}]}


@contextlib.asynccontextmanager
async def browser_of(door: House, email: str, role: str = "user") -> AsyncIterator[httpx2.AsyncClient]:
    await door.app.people.desk.users.add(email, role, Secret(PASSWORD), actor="operator")  # type: ignore[arg-type]
    own = {"origin": door.url, "sec-fetch-site": "same-origin"}
    async with httpx2.AsyncClient(base_url=door.url, headers=own, timeout=15, trust_env=False) as browser:
        assert (await browser.post("/api/v1/session", json={"email": email, "password": PASSWORD})).status_code == 200
        yield browser


def openai(request: Request) -> Answer:
    """OpenAI's list for the one good key; a 401 that quotes the bad one."""
    key = request.header("authorization") or ""
    if key == f"Bearer {CANARY}":
        return json_answer(LIST)
    return error_answer(401, "invalid_api_key", message=f"Incorrect API key provided: {key}")


async def test_models_come_with_the_provider_that_they_would_reach(tmp_path: Path) -> None:
    async with house(tmp_path) as door, httpx2.AsyncClient(base_url=door.url, trust_env=False) as client:
        error_of(await client.get("/api/v1/models"), 401)
        key = {"authorization": f"Bearer {await door.key()}"}
        listed = (await client.get("/api/v1/models", headers=key)).json()["data"]
        assert {"id": "sim-gpt-4o-mini", "provider": "simulator", "context_tokens": None} in listed
        shell = (await client.get("/api/v1/shell")).json()
        assert shell["default_model"] == "gpt-4o-mini"
        assert set(shell) == {"version", "default_model"}


async def test_my_key_is_tried_as_mine_and_never_quoted(tmp_path: Path) -> None:
    async with ScriptedUpstream(openai) as up, house(tmp_path, openai_base_url=up.base_url) as door:
        async with browser_of(door, "ann@example.com") as ann, browser_of(door, "bob@example.com") as bob:
            assert error_of(await ann.post("/api/v1/me/openai-key/test"), 409)["code"] == "key_not_configured"
            assert (await ann.put("/api/v1/me/openai-key", json={"key": CANARY})).status_code == 204
            assert (await ann.post("/api/v1/me/openai-key/test")).json() == {"works": True, "models": 1, "says": "Works: 1 models."}
            error_of(await bob.post("/api/v1/me/openai-key/test"), 409)
            bad = CANARY[:-1] + "X"
            assert (await ann.put("/api/v1/me/openai-key", json={"key": bad})).status_code == 204
            tried = await ann.post("/api/v1/me/openai-key/test")
            assert tried.json()["says"].startswith("OpenAI refused this key (401).")
            assert bad not in tried.text
            error_of(await ann.post("/api/v1/openai-key/test"), 404)
        assert up.billed == 0


async def test_the_shared_key_is_tried_by_admins_and_in_anonymous_by_anyone(tmp_path: Path) -> None:
    async with ScriptedUpstream(openai) as up:
        async with house(tmp_path / "a", openai_base_url=up.base_url, custody="admin") as door:
            async with browser_of(door, "ann@example.com", "admin") as ann, browser_of(door, "bob@example.com") as bob:
                assert (await ann.put("/api/v1/openai-key", json={"key": CANARY})).status_code == 204
                assert (await ann.post("/api/v1/openai-key/test")).json()["works"]
                assert error_of(await bob.post("/api/v1/openai-key/test"), 403)["message"] == "Unauthorized"
        async with house(tmp_path / "b", openai_base_url=up.base_url, custody="anonymous", spend_cap_usd="5") as door:
            own = {"origin": door.url, "sec-fetch-site": "same-origin"}
            async with httpx2.AsyncClient(base_url=door.url, headers=own, trust_env=False) as visitor:
                assert (await visitor.put("/api/v1/openai-key", json={"key": CANARY})).status_code == 204
                assert (await visitor.post("/api/v1/openai-key/test")).json()["works"]
            async with httpx2.AsyncClient(
                base_url=door.url, headers={"origin": "https://evil.example"}, trust_env=False
            ) as foreign:
                error_of(await foreign.post("/api/v1/openai-key/test"), 403)

"""The app endpoints inside somebody else's FastAPI app, on a plain uvicorn; and the port over the client library."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from tests.answers import chat_stream
from tests.apps.desk import SIMULATED
from tests.scripted import ScriptedUpstream
from tests.serving import serving

from doorward.apps.ask import chat_body, delta_of, text_of
from doorward.apps.connector_ask import ConnectorAsk
from doorward.connector import Bearer, Config, ConnectorError
from doorward.routers import apps
from doorward.routers.custody import HouseRouter


def current_user(request: Request) -> str | None:
    return request.headers.get("x-user")


def host(tmp_path: Path, **options: Any) -> tuple[FastAPI, HouseRouter]:
    app = FastAPI()
    router = apps(current_user=current_user, is_admin=lambda user: user == "root", data_dir=tmp_path / "data", **options)
    app.include_router(router, prefix="/ai")
    return app, router


async def test_the_same_endpoints_for_the_hosts_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_EMBEDDING_MODEL", SIMULATED["embedding_model"])
    app, router = host(tmp_path, default_model="sim-gpt-4o-mini")
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=15, trust_env=False) as http:
        ann, bob = {"x-user": "ann"}, {"x-user": "bob"}
        refused = await http.post("/ai/chat", json={"message": "hi"})
        assert (refused.status_code, refused.json()["error"]["message"]) == (401, "Sign in to use this feature")
        first = await http.post("/ai/chat", json={"message": "hello"}, headers=ann)
        assert first.status_code == 200, first.text
        conversation = first.json()["conversation_id"]
        assert (await http.get(f"/ai/conversations/{conversation}", headers=ann)).status_code == 200
        assert (await http.get(f"/ai/conversations/{conversation}", headers=bob)).status_code == 404
        stream = await http.post("/ai/chat/stream", json={"message": "hello"}, headers=ann)
        assert stream.headers["cache-control"] == "no-cache"
        assert stream.content.endswith(b"data: [DONE]\n\n")
        assert (await http.post("/ai/summarize", json={"text": "A bridge. " * 20}, headers=ann)).json()["summary"]
        found = await http.post("/ai/search", json={"query": "cats", "documents": ["dogs", "cats"]}, headers=ann)
        assert found.json()["results"][0]["index"] == 1
        bad = await http.post("/ai/chat", json={"message": 5}, headers=ann)
        assert (bad.status_code, bad.json()["error"]["param"]) == (422, "message")
        assert (await http.put("/ai/prompts/p", json={"text": "x"}, headers=ann)).status_code == 403
        assert (await http.put("/ai/prompts/p", json={"text": "x"}, headers={"x-user": "root"})).status_code == 200
        await router.close()


async def test_leaving_a_hosts_stream_stops_the_upstream(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_stream(["word "] * 200, pause_s=0.05)) as up:
        app, router = host(tmp_path, default_model="gpt-4o-mini", openai_base_url=up.base_url, allow_private_upstreams=True)
        rooms = await router.house.open()
        await router.house.open()
        from doorward.core.caller import OPERATOR, Caller
        from doorward.core.secret import Secret

        caller = Caller(OPERATOR, frozenset(), frozenset({"admin"}))
        await rooms.slot.fill(OPERATOR, Secret("sk-test-" + "x" * 40), caller, "")
        await rooms.refresh()
        async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=15, trust_env=False) as http:
            async with http.stream("POST", "/ai/chat/stream", json={"message": "hi"}, headers={"x-user": "ann"}) as answer:
                assert answer.status_code == 200
                async for _ in answer.aiter_bytes():
                    break
                left = time.monotonic()
            await up.wait_for_leavers(1)
            assert (up.connections[0].left_s or 0) - left < 0.5
        await router.close()


async def test_the_port_over_the_client_library() -> None:
    async with ScriptedUpstream(chat_stream(["Hel", "lo"])) as up:
        ask = ConnectorAsk(Config(auth=Bearer("dw-test"), base_url=up.base_url + "/v1"))
        body = chat_body("gpt-4o-mini", [{"role": "user", "content": "hi"}], 10)
        async with ask.stream(body, app="chat") as events:
            assert "".join([delta_of(event) async for event in events]) == "Hello"
        assert (ask.spent.input_tokens, ask.spent.output_tokens) == (10, 2)
        from tests.answers import chat_answer, error_answer, json_answer

        up.script = chat_answer("whole")
        assert text_of(await ask.chat(body, app="chat")) == "whole"
        up.script = json_answer({"data": [{"index": 0, "embedding": [0.5, 0.5]}], "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        assert [list(vector) for vector in await ask.embed(["a"], "m", app="search")] == [[0.5, 0.5]]
        up.script = error_answer(400, "bad")
        with pytest.raises(ConnectorError):
            await ask.chat(body, app="chat")

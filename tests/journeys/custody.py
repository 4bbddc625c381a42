"""What the three custody journeys share: an upstream that says whose key it was called with, and the words of R3 to R6."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from tests.answers import Answer, chat_answer, json_answer
from tests.scripted import Request, ScriptedUpstream

ANN, BOB, OPERATORS = (f"sk-canary-{name}-3vN8xQ1mZ6tR9yW4kL7pB2cJ" for name in ("ann", "bob", "operator"))
ANNS_SECOND = "sk-canary-ann2-7hT2bX5nM8wD4qK1vP9zC6fS"
KEYS = {ANN: "Ann", BOB: "Bob", OPERATORS: "the operator", ANNS_SECOND: "Ann, again"}
MODEL = "gpt-4o-mini"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Whose key is this?"}], "max_tokens": 20}


def whose(request: Request) -> Answer:
    """A chat answer that names the owner of the key it came with; never the key."""
    if request.method == "GET":
        return json_answer({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "openai"}]})
    presented = (request.header("authorization") or "").removeprefix("Bearer ")
    return chat_answer(KEYS.get(presented, "somebody else"))


def upstream() -> ScriptedUpstream:
    return ScriptedUpstream(whose)


def at(up: ScriptedUpstream) -> dict[str, str]:
    """Settings that lead provider `openai` there."""
    return {"OPENAI_BASE_URL": up.base_url}


async def asked(client: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
    """One call with a client key, over /v1."""
    return await client.post("/v1/chat/completions", json={**HELLO, **changes})


async def prompted(client: httpx2.AsyncClient) -> httpx2.Response:
    """The same over the control plane, where a session may call, too."""
    return await client.post("/api/v1/chat", json={"prompt": "Whose key is this?"})


def text(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    shape = answer.json()
    return str(shape["text"] if "text" in shape else shape["choices"][0]["message"]["content"])


def refused(answer: httpx2.Response, status: int, message: str, code: str | None = None) -> None:
    """OpenAI's shape, these words, no retry where waiting cannot help, and nobody's key in it."""
    assert answer.status_code == status, answer.text
    shape = answer.json()
    assert set(shape) == {"error"}
    assert set(shape["error"]) == {"message", "type", "param", "code"}
    assert shape["error"]["message"] == message
    if code is not None:
        assert shape["error"]["code"] == code
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]
    for key in KEYS:
        assert key not in answer.text


async def soon(look: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> float:
    """-> seconds until `look` was content; fails after `within_s`."""
    began = time.monotonic()
    while not await look():
        assert time.monotonic() - began < within_s, f"not within {within_s} s"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def makes_key(browser: httpx2.AsyncClient, **wish: Any) -> str:
    """A client key of who is signed in."""
    answer = await browser.post("/api/v1/me/keys", json={"label": "journey", **wish})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


TRICKS = ("x-doorward-custody", "doorward-custody", "x-custody")


async def tries_to_change_custody(client: httpx2.AsyncClient, custody: str) -> None:
    """Headers, queries and bodies that name another mode change nothing; no route takes one."""
    for wished in {"per_user", "admin", "anonymous"} - {custody}:
        tricks = dict.fromkeys(TRICKS, wished)
        said = await client.get(f"/api/v1/session?custody={wished}", headers=tricks)
        assert said.json()["custody"] == custody
        for method in ("PUT", "PATCH", "POST"):
            for path in ("/api/v1/settings", "/api/v1/custody", "/api/v1/session/custody", "/api/v1/settings/custody"):
                answer = await client.request(method, path, json={"custody": wished}, headers=tricks)
                assert answer.status_code in (404, 405), (method, path, answer.status_code)
    assert (await client.get("/api/v1/session")).json()["custody"] == custody

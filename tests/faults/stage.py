"""A door, a primary upstream with a fault, and a well fallback: the stage of every fault test."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.answers import chat_answer, chat_stream
from tests.house import House, house
from tests.scripted import Request, Script, ScriptedUpstream

from doorward.store.routes import RouteRule, Routes

WORDS = [f"word{i} " for i in range(60)]
TEXT = "".join(WORDS)


def well(request: Request) -> Any:
    """Answers every chat, streamed or not, with the same sixty words."""
    return (
        chat_stream(WORDS, model="fallback-1")
        if request.json.get("stream")
        else chat_answer(TEXT, model="fallback-1", output_tokens=60)
    )


@dataclass
class Seen:
    """One call as its caller saw it."""

    status: int
    headers: httpx2.Headers
    text: str
    error: dict[str, Any] | None
    done: bool
    took_s: float
    models: set[str]
    usage: dict[str, Any] | None
    raw: str

    @property
    def is_whole(self) -> bool:
        return self.status == 200 and self.error is None and self.text == TEXT and self.done

    @property
    def code(self) -> str | None:
        return self.error["code"] if self.error else None


@dataclass
class Stage:
    house: House
    primary: ScriptedUpstream
    fallback: ScriptedUpstream
    client: httpx2.AsyncClient

    async def chat(self, *, stream: bool, model: str = "primary-1", **fields: Any) -> Seen:
        body = {"model": model, "messages": [{"role": "user", "content": "Sixty words"}], "stream": stream, **fields}
        if stream:
            body["stream_options"] = {"include_usage": True}
        began = time.monotonic()
        reply = await self.client.post("/v1/chat/completions", json=body)
        return seen(reply, stream, time.monotonic() - began)


def seen(reply: httpx2.Response, stream: bool, took_s: float) -> Seen:
    streamed = reply.headers.get("content-type", "").startswith("text/event-stream")
    if not streamed:
        value = reply.json()
        error = value.get("error")
        text = "" if error else value["choices"][0]["message"]["content"]
        models = set() if error else {value["model"]}
        done, usage = not stream and error is None, value.get("usage")
        return Seen(reply.status_code, reply.headers, text, error, done, took_s, models, usage, reply.text)
    text, error, done, models, usage = "", None, False, set(), None
    for event in reply.text.split("\n\n"):
        if not event or event.startswith(":"):
            continue
        data = event.removeprefix("data: ")
        if data == "[DONE]":
            done = True
            continue
        value = json.loads(data)
        if "error" in value:
            error = value["error"]
            continue
        models.add(value["model"])
        usage = value.get("usage") or usage
        for choice in value["choices"]:
            text += choice["delta"].get("content") or ""
    return Seen(reply.status_code, reply.headers, text, error, done, took_s, models, usage, reply.text)


@contextlib.asynccontextmanager
async def stage(
    tmp_path: Path,
    script: Script,
    *,
    rescue: bool,
    fallback: bool = True,
    fallback_script: Script = well,
    accounts: int = 1,
    match: str = "primary-1",
    tls: bool = False,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Second-scale limits: first event 1 s, idle 1 s. The route has a fallback; `rescue` is the flag."""
    limits = {"first_event_streamed_s": 1.0, "first_event_whole_s": 1.0, "idle_s": 1.0, "retry_wait_s": 4.0, **settings}
    async with (
        ScriptedUpstream(script, tls=tls) as primary,
        ScriptedUpstream(fallback_script) as other,
        house(tmp_path, **limits) as home,
    ):
        await home.provider("primary", primary.base_url, "primary-*", prices="free")
        await home.provider("other", other.base_url, "fallback-*", prices="free")
        for number in range(accounts):
            await home.account("primary", label=f"a{number}")
        await home.account("other")
        if fallback:
            await Routes(home.app.ground.store).set(RouteRule(match, ("fallback-1",), rescue=rescue))
            await home.app.ground.catalogue.refresh()
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=60) as client:
            yield Stage(home, primary, other, client)

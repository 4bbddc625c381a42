"""I9: a revoked key, an ended session and a lost role are refused within 5 s by another process; open streams are told, and end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, Bill, Sleep, chunk, head
from tests.journeys.custody import soon
from tests.process import Served, served
from tests.scripted import Request, ScriptedUpstream

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

WITHIN_S = 5.5
"""5 s, and what a busy machine takes to ask."""


def endless(request: Request) -> Answer:
    """A chat stream of a word every 0.1 s, for half a minute."""
    delta = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "x "}}],
    }
    word = chunk(b"data: " + json.dumps(delta).encode() + b"\n\n")
    begun = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    return Answer((begun, *(step for _ in range(300) for step in (word, Sleep(0.1)))), Bill(1, 1))


class Stream:
    """One open stream: what has come so far."""

    def __init__(self) -> None:
        self.said = ""
        self.ended_s: float | None = None

    async def read(self, client: httpx2.AsyncClient, path: str, body: dict[str, object]) -> None:
        with contextlib.suppress(httpx2.HTTPError):
            async with client.stream("POST", path, json=body) as answer:
                async for piece in answer.aiter_text():
                    self.said += piece
        self.ended_s = time.monotonic()


async def told(stream: Stream, reading: asyncio.Task[None]) -> None:
    """It ends by itself, with one error event and no `[DONE]`."""
    await asyncio.wait({reading}, timeout=WITHIN_S + 2)
    assert reading.done(), "the stream went on"
    events = [event for event in stream.said.split("\n\n") if event]
    assert '"error"' in events[-1], events[-1]
    assert "[DONE]" not in stream.said


async def test_open_streams_end_with_their_right(tmp_path: Path) -> None:
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}], "stream": True}
    async with ScriptedUpstream(endless) as up, served(tmp_path, OPENAI_BASE_URL=up.base_url) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as ann, door.signed_in("ann@example.com") as other:
            await ann.put("/api/v1/me/openai-key", json={"key": "sk-canary-9fK2mQ7xT4vB8nL1pZ6wR3yD5hJ0cA"})
            made = (await ann.post("/api/v1/me/keys", json={"label": "x"})).json()
            async with door.program(made["key"]) as program:
                by_key, by_session = Stream(), Stream()
                reading = [
                    asyncio.create_task(by_key.read(program, "/v1/chat/completions", chat)),
                    asyncio.create_task(by_session.read(ann, "/apps/chat/stream", {"message": "x", "model": "gpt-4o-mini"})),
                ]
                await soon(lambda: _begun(by_key, by_session), within_s=20)
                assert (await other.post(f"/api/v1/me/keys/{made['id']}/revoke")).status_code == 200
                assert (await other.delete("/api/v1/me/sessions")).status_code == 200
                await told(by_key, reading[0])
                await told(by_session, reading[1])
        await up.wait_for_leavers(2)


async def _begun(*streams: Stream) -> bool:
    return all("x " in stream.said for stream in streams)


async def test_another_process_refuses_within_5_s(tmp_path: Path, postgres_url: str) -> None:
    shared = {"DOORWARD_DATABASE_URL": postgres_url}
    async with served(tmp_path, **shared) as one:
        key_file = {"DOORWARD_MASTER_KEY_FILE": str(one.data_dir / "master.key")}
        async with served(tmp_path, name="second", **shared, **key_file) as two:
            await asyncio.gather(one.user("root@example.com", "--admin"), one.user("deputy@example.com", "--admin"))
            await one.user("ann@example.com")
            async with one.signed_in("root@example.com") as root, one.signed_in("deputy@example.com") as deputy:
                async with one.signed_in("ann@example.com") as ann:
                    made = (await deputy.post("/api/v1/me/keys", json={"label": "x", "scopes": ["call", "me", "admin"]})).json()
                    key = {"authorization": f"Bearer {made['key']}"}
                    session = {"cookie": f"doorward={ann.cookies['doorward']}"}
                    async with two.program() as there:
                        for path, headers in (("/api/v1/users", key), ("/api/v1/me", session)):
                            assert (await there.get(path, headers=headers)).status_code == 200
                        # a role is lost: the key keeps its other powers
                        deputy_id = (await deputy.get("/api/v1/me")).json()["user_id"]
                        assert (await root.patch(f"/api/v1/users/{deputy_id}", json={"role": "user"})).status_code == 200
                        await soon(lambda: _is(there, "/api/v1/users", key, 403), within_s=WITHIN_S)
                        assert (await there.get("/api/v1/me", headers=key)).status_code == 200
                        # a session ends
                        assert (await ann.delete("/api/v1/session")).status_code == 200
                        await soon(lambda: _is(there, "/api/v1/me", session, 401), within_s=WITHIN_S)
                        # a key is revoked, by the command line
                        await one.cli("key", "revoke", made["id"])
                        await soon(lambda: _is(there, "/api/v1/me", key, 401), within_s=WITHIN_S)
                        await soon(lambda: _is(there, "/v1/models", key, 401), within_s=WITHIN_S)


async def _is(client: httpx2.AsyncClient, path: str, headers: dict[str, str], status: int) -> bool:
    return (await client.get(path, headers=headers)).status_code == status


async def test_canary_what_was_not_ended_goes_on(tmp_path: Path) -> None:
    async with ScriptedUpstream(endless) as up, served(tmp_path, OPENAI_BASE_URL=up.base_url) as door:
        key = await _operators_key(door)
        async with door.program(key) as program:
            stream = Stream()
            chat = {"model": "gpt-4o-mini", "messages": [], "stream": True}
            reading = asyncio.create_task(stream.read(program, "/v1/chat/completions", chat))
            await soon(lambda: _begun(stream), within_s=20)
            await asyncio.sleep(2.5)
            assert stream.ended_s is None
            reading.cancel()
            await asyncio.wait({reading})


async def _operators_key(door: Served) -> str:
    await door.cli(
        "account", "add", "--provider", "openai", "--label", "x", "--key-stdin", stdin="sk-canary-9fK2mQ7xT4vB8nL1pZ6wR3"
    )
    key = (await door.cli("key", "create", "--label", "x"))["key"]
    async with door.program(key) as program:
        await soon(lambda: _listed(program))
    await asyncio.sleep(3)  # the running server reads accounts every two seconds
    return str(key)


async def _listed(program: httpx2.AsyncClient) -> bool:
    return (await program.get("/api/v1/me")).status_code == 200

"""The apps' door: who may come in, from which page, and what happens when that ends while a stream flows."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx2
from tests.answers import chat_stream
from tests.apps.desk import desk, scripted_desk
from tests.laws.inventory import doors
from tests.scripted import ScriptedUpstream

from doorward.core.secret import Secret
from doorward.edge.apps import AppsDoor
from doorward.edge.control_plane.declare import Guarded

PASSWORD = "correct horse battery"


async def test_a_session_is_as_good_as_a_key_but_not_both_and_not_from_elsewhere(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, httpx2.AsyncClient(base_url=here.door.url, timeout=10, trust_env=False) as browser:
        await here.door.app.people.desk.users.add("ann@example.com", "user", Secret(PASSWORD), actor="operator")
        own = {"origin": here.door.url, "sec-fetch-site": "same-origin"}
        wish = {"email": "ann@example.com", "password": PASSWORD}
        assert (await browser.post("/api/v1/session", json=wish, headers=own)).status_code == 200
        hello = {"message": "hello"}
        assert (await browser.post("/apps/chat", json=hello, headers=own)).status_code == 200
        assert (await browser.post("/apps/chat/stream", json=hello, headers=own)).content.endswith(b"data: [DONE]\n\n")
        assert (await browser.get("/apps/chat-stream?message=hello", headers=own)).status_code == 200
        for foreign in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert (await browser.post("/apps/chat", json=hello, headers=foreign)).status_code == 403, foreign
            assert (await browser.get("/apps/chat-stream?message=hello", headers=foreign)).status_code == 403, foreign
        both = await browser.post("/apps/chat", json=hello, headers={**own, "authorization": f"Bearer {here.key}"})
        assert both.status_code == 400


async def test_a_revoked_key_ends_its_stream_with_an_error(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_stream(["word "] * 400, pause_s=0.05)) as up, scripted_desk(tmp_path, up) as here:
        began = time.monotonic()
        content = b""
        async with here.http.stream("POST", "/apps/chat/stream", json={"message": "hi"}, headers=here.headers()) as answer:
            async for chunk in answer.aiter_bytes():
                if not content:
                    await here.door.app.ground.client_keys.revoke(here.key.split("-")[1])
                content += chunk
        assert time.monotonic() - began < 6
        last = content.rstrip().rsplit(b"\n\n", 1)[1]
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "invalid_api_key"
        assert b"[DONE]" not in content
        await up.wait_for_leavers(1)


async def test_every_route_declares_itself(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        door = next(door for _, door in doors(here.door.app) if isinstance(door, AppsDoor))
        listed = [route for route in door.router.routes if isinstance(route, Guarded)]
        assert len(listed) == len(door.router.routes) > 40
        for route in listed:
            assert route.declaration.auth == "either"
            assert route.declaration.scope in ("call", "admin")
            takes_a_body = bool(route.methods & {"POST", "PUT", "PATCH"}) and route.body_field is not None
            assert (route.declaration.body_cap_bytes > 0) == takes_a_body, route.path


async def test_unknown_paths_and_methods_have_the_shape(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.refused("GET", "/apps/nothing", 404)
        await here.refused("GET", "/apps/chat", 405)
        await here.refused("POST", "/chatter", 404, {"message": "hi"})


async def test_many_streams_at_once_leave_nothing_open(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_stream(["word "] * 100, pause_s=0.05)) as up, scripted_desk(tmp_path, up) as here:

        async def leave() -> None:
            async with here.http.stream("POST", "/chat/stream", json={"message": "hi"}, headers=here.headers()) as answer:
                async for _ in answer.aiter_bytes():
                    return

        await asyncio.gather(*(leave() for _ in range(20)))
        await up.wait_for_open(0, 3)
        for _ in range(100):
            stopped = (await here.ask("GET", "/apps/conversations?limit=100"))["data"]
            if len(stopped) == 20:
                break
            await asyncio.sleep(0.05)
        assert len(stopped) == 20

"""Doors that are built when somebody first comes: once, for everybody who waits, and on the paths that the front names."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.house import house, settings_of

from doorward.app import App
from doorward.edge.late import LateDoor
from doorward.edge.root import Root


def root(built: list[float]) -> Root:
    async def door(scope: Any, receive: Any, send: Any) -> None:
        await send(scope["path"])

    time.sleep(0.1)
    built.append(time.monotonic())
    return Root([("/late", door)])


async def test_it_is_built_once_and_everybody_waits_for_it_but_the_loop() -> None:
    built: list[float] = []
    late, heard, turns = LateDoor(lambda: root(built)), [], 0

    async def send(message: Any) -> None:
        heard.append(message)

    first = [asyncio.create_task(late({"path": f"/late/{number}"}, None, send)) for number in range(3)]
    await asyncio.sleep(0.02)
    first[0].cancel()  # a client that leaves
    while not built:
        await asyncio.sleep(0.005)
        turns += 1
    await asyncio.wait(first)
    await late({"path": "/late/again"}, None, send)
    assert len(built) == 1
    assert turns > 1
    assert {"/late/1", "/late/2", "/late/again"} <= set(heard)


async def test_a_build_that_fails_is_tried_again_by_the_next() -> None:
    built: list[float] = []

    def build() -> Root:
        if not built:
            built.append(0.0)
            raise RuntimeError("an undeclared route")
        return root(built)

    async def send(message: Any) -> None: ...

    late = LateDoor(build)
    with pytest.raises(RuntimeError):
        await late({"path": "/late"}, None, send)
    await late({"path": "/late"}, None, send)


@pytest.mark.parametrize("root_apps", [True, False])
async def test_the_front_names_every_path_that_is_behind_the_late_doors(tmp_path: Path, root_apps: bool) -> None:
    app = App(settings_of(tmp_path, root_apps=root_apps))
    await app.start()
    try:
        late = next(door for _, door in app.asgi.doors if isinstance(door, LateDoor))
        named = {prefix for prefix, door in app.asgi.doors if door is late}
        behind = {prefix for prefix, _ in late.now().doors}
        assert {prefix for prefix in behind if not prefix.startswith("/api/v1/")} == named
    finally:
        await app.stop()


async def test_the_first_answer_of_a_late_door_is_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as home, httpx2.AsyncClient(base_url=home.url, timeout=30) as client:
        answers = await asyncio.gather(*(client.get(path) for path in ("/api/v1/openapi.json", "/api/v1/me", "/apps/nothing")))
        assert [answer.status_code for answer in answers] == [200, 401, 404]

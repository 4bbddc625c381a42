"""Several processes without Redis: together they allow what the limit says, and not each of them (R32, R55)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import chat_answer
from tests.house import House, house
from tests.relay.conftest import HELLO
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits


def shared(request: pytest.FixtureRequest, kind: str, name: str) -> dict[str, Any]:
    """Settings of two processes: a database that both use; on PostgreSQL each has a data directory of its own."""
    if kind == "sqlite":
        return {}
    directory: Path = request.getfixturevalue("tmp_path")
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    return {"database_url": request.getfixturevalue("postgres_url"), "data_dir": directory / name, "master_key": key}


async def allowed(homes: list[House], key: str, calls: int) -> list[int]:
    """How many of so many calls each process lets through, asked in turn."""
    passed = [0] * len(homes)
    for _ in range(calls):
        for number, home in enumerate(homes):
            async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}) as client:
                reply = await client.post("/v1/chat/completions", json=HELLO)
            assert reply.status_code in (200, 429)
            passed[number] += reply.status_code == 200
    return passed


async def counted(*homes: House, processes: int) -> None:
    async with asyncio.timeout(5):
        while any(home.app.traffic.pipeline.limits._counters._parts() != processes for home in homes):  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_two_processes_allow_the_limit_together(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    async with ScriptedUpstream(chat_answer()) as up, house(tmp_path, **shared(request, kind, "one")) as one:
        await one.provider("scripted", up.base_url, "m*", auth="none", prices="free")
        key = await one.key(limits=KeyLimits(rpd=10))
        async with house(tmp_path, **shared(request, kind, "two")) as two:
            await counted(one, two, processes=2)
            assert await allowed([one, two], key, 8) == [5, 5]
        await counted(one, processes=1)
        another = await one.key(label="another", limits=KeyLimits(rpd=10))
        assert await allowed([one], another, 12) == [10], "the other process has ended"

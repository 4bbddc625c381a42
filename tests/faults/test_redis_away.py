"""Redis killed or stalled: limits go on with this process's share, the cache is empty, and both recover unaided."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.answers import chat_answer
from tests.faults.table import Row, record
from tests.house import house
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits


class Between:
    """A TCP relay in front of Redis that can be cut, or be made to swallow."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._path = parts.path
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_cut = False
        self.is_stalled = False

    async def __aenter__(self) -> Between:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._path}"

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        back_reader, back_writer = await asyncio.open_connection(*self._there)
        self._writers |= {writer, back_writer}
        for source, target in ((reader, back_writer), (back_reader, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await source.read(65536):
                while self.is_stalled:
                    await asyncio.sleep(0.02)
                target.write(data)
        target.transport.abort()


@pytest.fixture
async def between(redis_url: str) -> AsyncIterator[Between]:
    async with Between(redis_url) as relay:
        yield relay


@pytest.mark.parametrize("how", ["killed", "stalled"])
async def test_redis_away(tmp_path: Path, between: Between, how: str) -> None:
    async with ScriptedUpstream(chat_answer()) as up, house(tmp_path, redis_url=between.url, cache=True) as home:
        await home.provider("scripted", up.base_url, "m-*", prices="free")
        await home.account("scripted")
        key = await home.key(limits=KeyLimits(rpm=600, concurrency=5))
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=30) as client:

            async def ask(number: int) -> httpx2.Response:
                reply = await client.post("/v1/chat/completions", json={"model": "m-1", "messages": [], "seed": number})
                assert reply.status_code == 200, reply.text
                return reply

            assert (await ask(1)).headers["x-doorward-cache"] == "miss"
            assert (await ask(1)).headers["x-doorward-cache"] == "hit"
            if how == "killed":
                between.cut()
            else:
                between.is_stalled = True
            began = time.monotonic()
            for number in range(10, 18):
                reply = await ask(number)
                assert reply.headers["x-ratelimit-limit-requests"] == "600", "limits go on"
            assert time.monotonic() - began < 8, "a stalled Redis is waited for once, not by every call"
            between.is_cut = between.is_stalled = False
            until_s = time.monotonic() + 10
            while True:
                await ask(2)
                if (await ask(2)).headers["x-doorward-cache"] == "hit":
                    break
                assert time.monotonic() < until_s, "the cache did not come back"
                await asyncio.sleep(0.2)
    record(Row(f"Redis {how}", False, 1, "whole answers; limits by process, cache empty", "1 + 0"))

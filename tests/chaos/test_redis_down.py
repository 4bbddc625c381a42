"""Redis is killed, flushed, or stands still: a server of the test's own, with real signals.

Rules. Limits: each process counts alone (its local share), at once; they never vanish. Cache: open, empty. Calls: open,
none waits more than a second for Redis. It recovers unaided.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests.answers import chat_answer
from tests.chaos.load import client_of
from tests.conftest import required
from tests.counts import count
from tests.house import House, house
from tests.money.gateways import PATH
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits

TURNS = count("turns of Redis down and up", small=1, full=20)
CALLS = count("calls at once while Redis is down", small=20, full=200)


@dataclass
class OwnRedis:
    """`redis-server` on a port of its own, nothing on disk."""

    port: int
    place: Path
    child: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            required("redis-server")
        assert program is not None
        words = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.place))
        quiet = asyncio.subprocess.DEVNULL
        self.child = await asyncio.create_subprocess_exec(program, *words, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(20), Redis.from_url(self.url) as client:
            while True:
                with contextlib.suppress(RedisError, OSError):
                    if await client.ping():
                        return
                await asyncio.sleep(0.05)

    def tell(self, what: signal.Signals) -> None:
        assert self.child is not None
        self.child.send_signal(what)

    async def kill(self) -> None:
        assert self.child is not None
        if self.child.returncode is None:
            self.child.kill()
            await self.child.wait()


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[OwnRedis]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = OwnRedis(port, tmp_path)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@contextlib.asynccontextmanager
async def limited(tmp_path: Path, redis: OwnRedis, rpm: int) -> AsyncIterator[tuple[House, httpx2.AsyncClient]]:
    """A house on `redis` with one key of `rpm` requests a minute; the cache is on."""
    async with (
        ScriptedUpstream(chat_answer()) as up,
        house(tmp_path, redis_url=redis.url, cache=True, log_level="error") as home,
    ):
        await home.provider("scripted", up.base_url, "m-*", auth="none", prices="free")
        key = await home.key(limits=KeyLimits(rpm=rpm, concurrency=500))
        async with client_of(home.url, key) as client:
            yield home, client


async def ask(client: httpx2.AsyncClient, seed: int) -> tuple[httpx2.Response, float]:
    began = time.monotonic()
    answer = await client.post(PATH, json={"model": "m-1", "messages": [], "seed": seed})
    return answer, time.monotonic() - began


async def hits_again(client: httpx2.AsyncClient, seed: int) -> float:
    """Until an answer comes from the cache -> seconds it took."""
    began = time.monotonic()
    while True:
        answer, _ = await ask(client, seed)
        assert answer.status_code == 200, answer.text
        if answer.headers["x-doorward-cache"] == "hit":
            return time.monotonic() - began
        assert time.monotonic() - began < 15, "the cache did not come back"
        await asyncio.sleep(0.1)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("how", ["killed", "stalled"])
async def test_calls_go_on_and_none_waits_a_second(tmp_path: Path, own_redis: OwnRedis, how: str) -> None:
    """Calls: open. Cache: open, empty. The clients' wait for Redis is under a second, also for many calls at once."""
    slowest_s = back_s = 0.0
    async with limited(tmp_path, own_redis, rpm=100_000) as (_, client):
        warm = await asyncio.gather(*(ask(client, n) for n in range(CALLS)))
        usual_s = max(took_s for _, took_s in warm)
        for turn in range(TURNS):
            await hits_again(client, turn)
            if how == "killed":
                await own_redis.kill()
            else:
                own_redis.tell(signal.SIGSTOP)
            for wave in range(4):
                said = await asyncio.gather(*(ask(client, 1000 * (wave + 1) + n) for n in range(CALLS)))
                assert {answer.status_code for answer, _ in said} == {200}
                assert {answer.headers["x-ratelimit-limit-requests"] for answer, _ in said} == {"100000"}, "limits go on"
                slowest_s = max(slowest_s, *(took_s for _, took_s in said))
                await asyncio.sleep(0.4)
            if how == "killed":
                await own_redis.start()
            else:
                own_redis.tell(signal.SIGCONT)
            back_s = max(back_s, await hits_again(client, 10**6 + turn))
    print(
        f"Redis {how} {TURNS} times: slowest call {slowest_s:.2f} s (with Redis {usual_s:.2f} s), cache back after {back_s:.2f} s"
    )
    assert slowest_s < 1.0 + usual_s


@pytest.mark.parametrize("how", ["killed", "stalled"])
async def test_limits_fall_to_the_local_share(tmp_path: Path, own_redis: OwnRedis, how: str) -> None:
    """Limits: the local share. Without Redis a process lets through what the limit says, and then refuses with 429."""
    async with limited(tmp_path, own_redis, rpm=6) as (_, client):
        before = [(await ask(client, n))[0].status_code for n in range(8)]
        assert before.count(200) == 6
        assert before[-1] == 429
        if how == "killed":
            await own_redis.kill()
        else:
            own_redis.tell(signal.SIGSTOP)
        during = [(await ask(client, 100 + n))[0].status_code for n in range(10)]
        assert during.count(200) <= 6, "without Redis there was no limit"
        assert during[-1] == 429
        if how == "stalled":
            own_redis.tell(signal.SIGCONT)


async def test_a_flush_forgets_and_goes_on(tmp_path: Path, own_redis: OwnRedis) -> None:
    """Limits begin anew (a minute's worth at the most), the cache is empty, scripts are loaded again; no call notices."""
    async with limited(tmp_path, own_redis, rpm=5) as (_, client), Redis.from_url(own_redis.url) as redis:
        first = [(await ask(client, n))[0] for n in range(5)]
        assert {answer.status_code for answer in first} == {200}
        assert (await ask(client, 9))[0].status_code == 429
        await redis.flushall()
        await redis.script_flush()
        after = [(await ask(client, n))[0] for n in range(6)]
        assert [answer.status_code for answer in after] == [200] * 5 + [429]
        assert {answer.headers["x-doorward-cache"] for answer in after[:5]} == {"miss"}, "the cache was not flushed"

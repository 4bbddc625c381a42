"""Calls on a gateway while something is done to it, and what each of them came to.

async with Load(gateway.url, key, lanes=8, streamed=0.5) as load:
    await asyncio.sleep(1); gateway.kill()
load.said, load.lost, load.codes, load.slowest_s
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
from tests.chaos.line import Line
from tests.chaos.said import Said, code_of
from tests.money.gateways import ASK, PATH


async def ask(client: httpx2.AsyncClient, call_id: str, *, streamed: bool = False, **changes: Any) -> Said:
    began = time.monotonic()
    status, text, why = None, b"", ""
    try:
        async with client.stream(
            "POST", PATH, json={**ASK, "stream": streamed, **changes}, headers={"x-request-id": call_id}
        ) as answer:
            status = answer.status_code
            async for piece in answer.aiter_bytes():
                text += piece
            code = code_of(status, text, streamed)
    except httpx2.ConnectError:
        code = "refused"
    except httpx2.HTTPError as cause:
        code, why = "lost", f"{type(cause).__name__} after {len(text)} bytes"
    ended_s = time.monotonic()
    return Said(call_id, status, code, ended_s - began, streamed, why, ended_s)


def client_of(url: str, key: str, timeout_s: float = 30.0) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    limits = httpx2.Limits(max_connections=None)  # it would keep the 101st call to itself
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=timeout_s, trust_env=False, limits=limits)


@dataclass
class Load:
    """`lanes` callers, each one call after another with `pause_s` between, from entering until leaving."""

    url: str
    key: str
    name: str = "call"
    lanes: int = 8
    streamed: float = 0.0
    """Share of the calls that are streams."""
    pause_s: float = 0.0
    until_lost: bool = False
    """A lane ends with its first lost call: the process was killed."""
    light: bool = False
    """Lanes are bare lines: where the load's own cost would keep it from what is asked of it."""
    said: list[Said] = field(default_factory=list)

    async def __aenter__(self) -> Load:
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._lane(number)) for number in range(self.lanes)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)

    async def _lane(self, lane: int) -> None:
        if self.light:
            async with Line(self.url, self.key) as line:
                await self._calls(lane, line.ask)
        else:
            async with client_of(self.url, self.key) as client:
                await self._calls(lane, partial(ask, client))

    async def _calls(self, lane: int, ask_: Callable[..., Awaitable[Said]]) -> None:
        chance = random.Random(f"{self.name}{lane}")
        number = 0
        while not self._over.is_set():
            number += 1
            call_id = f"{self.name}-{lane:03d}-{number:06d}"
            said = await ask_(call_id, streamed=chance.random() < self.streamed)
            self.said.append(said)
            if self.until_lost and said.code in ("lost", "refused"):
                return
            # a caller whose connection is refused asks somebody else, and not a thousand times a second
            await asyncio.sleep(max(self.pause_s, 0.05 if said.code == "refused" else 0.0))

    @property
    def codes(self) -> Counter[str]:
        return Counter(said.code for said in self.said)

    @property
    def lost(self) -> list[Said]:
        return [said for said in self.said if said.code == "lost"]

    @property
    def slowest_s(self) -> float:
        return max((said.took_s for said in self.said), default=0.0)

"""Both event loops: production runs on uvloop, and a plain asyncio loop must do as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from tests.scripted import ScriptedUpstream

from doorward.core.exchange import EMPTY, Body, Header, MemoryBody
from doorward.upstream.port import Incoming, Outgoing
from doorward.upstream.transport import HttpTransport


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Client:
    """`HttpTransport` with a request's fields at hand."""

    def __init__(self, **options: Any) -> None:
        self.transport = HttpTransport(**options)

    async def open(
        self,
        up: ScriptedUpstream,
        body: bytes | Body = b"{}",
        *,
        method: str = "POST",
        target: bytes = b"/v1/chat/completions",
        headers: list[Header] | None = None,
        connect_s: float = 5.0,
        head_s: float = 5.0,
        write_s: float = 5.0,
    ) -> Incoming:
        sent = MemoryBody(body) if isinstance(body, bytes) and body else EMPTY if isinstance(body, bytes) else body
        return await self.transport.open(
            Outgoing(up.origin, method, target, headers or [], sent, connect_s=connect_s, head_s=head_s, write_s=write_s)
        )

    async def call(
        self, up: ScriptedUpstream, body: bytes | Body = b"{}", *, idle_s: float = 5.0, **options: Any
    ) -> tuple[int, bytes]:
        """-> status and whole body; whatever goes wrong is raised, and nothing stays open."""
        incoming = await self.open(up, body, **options)
        try:
            return incoming.status, await read_all(incoming, idle_s)
        finally:
            incoming.close()


async def read_all(incoming: Incoming, idle_s: float = 5.0) -> bytes:
    pieces = []
    while piece := await incoming.read(idle_s):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.transport.close()


MakeClient = Callable[..., Client]


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client(**options))
        return made[-1]

    yield make
    for each in made:
        await each.transport.close()


async def settles(condition: Callable[[], bool], within_s: float = 3.0) -> bool:
    until = asyncio.get_running_loop().time() + within_s
    while not condition() and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.005)
    return condition()

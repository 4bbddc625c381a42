"""The database goes away under load: calls go on, no settled row is lost, and the book is complete when it is back."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.answers import chat_answer
from tests.counts import count
from tests.house import house
from tests.ledger.purse import rows
from tests.money.gateways import ASK, IN, OUT, PATH
from tests.scripted import ScriptedUpstream

AWAY_S = count("seconds without a database", small=2, full=60)


class Wire:
    """A TCP proxy in front of a server, to be cut and joined again."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def join(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Connections that stand are reset; new ones are refused."""
        assert self._server is not None
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        self._ends |= {writer, back}
        try:
            await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))
        finally:
            self._ends -= {writer, back}

    @staticmethod
    async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[tuple[Wire, str]]:
    parts = urlsplit(url)
    wire = Wire(parts.hostname or "127.0.0.1", parts.port or 5432)
    await wire.join()
    user = f"{parts.username}@" if parts.username else ""
    try:
        yield wire, f"postgresql://{user}127.0.0.1:{wire.port}{parts.path}"
    finally:
        wire.cut()


@pytest.mark.timeout(0)
async def test_nothing_settled_is_lost(postgres_url: str, tmp_path: Path) -> None:
    async with (
        ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up,
        wire_to(postgres_url) as (wire, url),
        house(tmp_path, database_url=url, log_level="error") as home,
    ):
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        key = await home.key()
        said, is_over = Counter[str](), asyncio.Event()
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:

            async def load(name: str) -> None:
                number = 0
                while not is_over.is_set():
                    number += 1
                    answer = await client.post(PATH, json=ASK, headers={"x-request-id": f"away-{name}-{number:07d}"})
                    said["ok" if answer.status_code == 200 else answer.json()["error"]["code"]] += 1
                    await asyncio.sleep(0.01)

            loads = [asyncio.create_task(load(str(n))) for n in range(6)]
            await asyncio.sleep(0.5)
            wire.cut()
            before = said["ok"]
            await asyncio.sleep(AWAY_S)
            during = said["ok"] - before
            waiting = home.app.traffic.ledger.book.waiting
            await wire.join()
            await asyncio.sleep(1.0)
            is_over.set()
            await asyncio.gather(*loads)
        for _ in range(400):
            if not home.app.traffic.ledger.book.waiting:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        sent = [request.header("x-request-id") for request in up.requests]
    booked = Counter(row[0] for row in rows(postgres_url, "SELECT id FROM calls WHERE outcome <> 'refused'"))
    cost = rows(postgres_url, "SELECT sum(cost_nanos) FROM calls")[0][0]
    print(f"away {AWAY_S} s: {dict(said)}, {during} calls served meanwhile, {waiting} rows waited; booked {sum(booked.values())}")
    assert during > 0, "calls must go on while a known key is remembered"
    assert waiting > 0
    assert booked == Counter(sent), "each call that was sent has one row"
    assert cost == len(sent) * (10 * IN + 3 * OUT)

"""Calls to write down, a shelf that can be away, and the real one on each database."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from doorward.core.caller import OPERATOR, Caller
from doorward.core.clock import SystemClock
from doorward.core.errors import StoreError
from doorward.core.exchange import Asks, Exchange, MemoryBody
from doorward.core.money import Nanos
from doorward.core.usage import Usage
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices
from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan, Route
from doorward.store.call_rows import Refusal, Settled
from doorward.store.calls import Calls
from doorward.store.engine import Store
from doorward.wire.endpoints import match

_numbers = itertools.count(1)
CHAT = match("POST", "/v1/chat/completions").endpoint
PLAN = Plan(Provider("openai", "OpenAI", "https://api.openai.com"), Account("acc_1", "openai", "main"), "gpt-4o-mini")


def caller(name: str = "1", **fields: Any) -> Caller:
    given = {"key_id": f"key{name}", "label": f"label {name}", "user_id": name} | fields
    return Caller(f"user:{name}", frozenset({OPERATOR}), frozenset({"call"}), **given)


def exchange(request_id: str | None = None, *, headers: Sequence[tuple[bytes, bytes]] = (), **asks: Any) -> Exchange:
    return Exchange(
        request_id or f"req_{next(_numbers):08d}",
        "POST",
        "/v1/chat/completions",
        b"",
        headers,
        MemoryBody(b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'),
        Asks(**{"model": "gpt-4o-mini", **asks}),
        "127.0.0.1",
        0.0,
    )


def answered(entry: Entry, cost: int = 1000, **usage: Any) -> Attempt:
    """What relay and meter write when a call went well."""
    entry.route = Route("gpt-4o-mini", (PLAN,))
    attempt = Attempt(len(entry.attempts) + 1, "openai", "acc_1", "gpt-4o-mini", entry.started_s, AttemptState.DONE, 200)
    attempt.usage = Usage(**{"input_tokens": 10, "output_tokens": 5, **usage})
    attempt.cost, attempt.price_version = Nanos(cost), "test"
    entry.attempts.append(attempt)
    entry.status = 200
    return attempt


class MemoryShelf:
    """A shelf in memory that is away when told so."""

    def __init__(self) -> None:
        self.rows: dict[str, Settled] = {}
        self.refusals: dict[Refusal, int] = {}
        self.away = False
        self.unsyncable = False
        self.batches = 0

    async def absorb(self, rows: Sequence[Settled], refusals: Sequence[tuple[Refusal, int]] = ()) -> int:
        if self.away:
            raise StoreError("away")
        self.batches += 1
        new = [row for row in rows if row.call.opening not in self.rows]
        self.rows |= {row.call.opening: row for row in new}
        for refusal, count in refusals:
            self.refusals[refusal] = self.refusals.get(refusal, 0) + count
        return len(new)

    async def sync(self) -> None:
        if self.unsyncable:
            raise StoreError("its disk fails")


@pytest.fixture(scope="session")
def prices() -> Prices:
    return Prices.load()


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
async def ledger(tmp_path: Path, shelf: MemoryShelf, prices: Prices) -> AsyncIterator[Ledger]:
    opened = Ledger(tmp_path / "journal", "start1", shelf, prices, SystemClock(), sync_s=0.05)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/data/doorward.db"


@pytest.fixture
async def book_store(database_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def calls(book_store: Store) -> Calls:
    return Calls(book_store)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One SQLite database with the schema, to copy: migrating takes longer than most tests."""
    import asyncio

    file = tmp_path_factory.mktemp("migrated") / "doorward.db"

    async def make() -> None:
        await (await Store.open(f"sqlite:///{file}")).close()

    asyncio.run(make())
    return file


@pytest.fixture
def fresh_sqlite(migrated: Path, tmp_path: Path) -> str:
    import shutil

    file = tmp_path / "doorward.db"
    shutil.copy(migrated, file)
    return f"sqlite:///{file}"

"""What tests of budgets share: a process's `Budgets` on a real database, calls that cost what a test says."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import psycopg

from doorward.core.caller import Caller, KeyLimits
from doorward.core.exchange import Exchange, MemoryBody
from doorward.core.money import Nanos, nanos_of_usd
from doorward.core.usage import Usage
from doorward.ledger.budgets import Budgets
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.pot import LeaseTimes
from doorward.providers.prices import Override, Prices
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, Route
from doorward.store.budgets import BudgetRows
from doorward.store.engine import Store
from doorward.store.leases import Leases
from doorward.wire.openai import read_asks

TEST = Provider("test", "Test", "https://127.0.0.1:9")
ROUTE = Route("m", (Plan(TEST, None, "m"),))
QUICK = LeaseTimes(ttl=1.2, margin=0.2, idle=0.15, flush=0.05, ask=0.1, poll=0.02, tick=0.03, refused=0.02, sweep=0.1)
CALL = nanos_of_usd("0.01")
"""What `exchange(1)` may cost: one output token at one cent; its input costs nothing measurable."""


def prices() -> Prices:
    """Model `m`: $10,000 for a million output tokens, so that one is a cent."""
    made = Prices.load()
    made.replace([Override("test", "m", "input_mtok", Decimal(0)), Override("test", "m", "output_mtok", Decimal(10_000))])
    return made


def key(budget_usd: str | None = None, period: Any = "ever", *, name: str = "k1", user: str | None = None) -> Caller:
    limits = KeyLimits(budget_nanos=None if budget_usd is None else nanos_of_usd(budget_usd), budget_period=period)
    return Caller(f"key:{name}", frozenset(), frozenset({"call"}), key_id=name, user_id=user, label=name, limits=limits)


def exchange(cents: int = 1, **more: Any) -> Exchange:
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": cents, **more}).encode()
    return Exchange(uuid.uuid4().hex, "POST", "/v1/chat/completions", b"", [], MemoryBody(raw), read_asks(raw), "127.0.0.1", 0.0)


def entry(caller: Caller, call: Exchange) -> Entry:
    return Entry(call.request_id, caller, call, "/v1/chat/completions", 0.0, 0.0)


def billed(page: Entry, usd: str | None, state: AttemptState = AttemptState.DONE) -> None:
    cost = None if usd is None else Nanos(nanos_of_usd(usd))
    page.attempts.append(Attempt(len(page.attempts) + 1, "test", None, "m", 0.0, state, usage=Usage(), cost=cost))


async def call(budgets: Budgets, caller: Caller, *, cents: int = 1, usd: str | None = "0.01", sleep_s: float = 0.0) -> Entry:
    asked = exchange(cents)
    page = entry(caller, asked)
    async with budgets.hold(caller, ROUTE, asked, page):
        if sleep_s:
            await asyncio.sleep(sleep_s)
        billed(page, usd)
    return page


@asynccontextmanager
async def process(url: str, *, name: str | None = None, times: LeaseTimes = QUICK, **options: Any) -> AsyncIterator[Budgets]:
    """One process's budgets, started; several on one URL are as separate as processes are."""
    store = await Store.open(url)
    budgets = Budgets(
        BudgetRows(store), Leases(store), prices(), name or uuid.uuid4().hex[:8], times=times, home="here", refresh_s=0.1, **options
    )
    await budgets.start()
    try:
        yield budgets
    finally:
        await budgets.stop()
        await store.close()


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found
        finally:
            connection.close()
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def spent(url: str, subject: str = "key:k1") -> Decimal:
    return Decimal(sum(row[0] for row in rows(url, f"SELECT spent_nanos FROM budget_periods WHERE subject = '{subject}'"))) / 10**9


def leased(url: str) -> Decimal:
    return Decimal(sum(row[0] for row in rows(url, "SELECT leased_nanos FROM budget_periods"))) / 10**9


def taken(url: str, subject: str = "key:k1") -> Decimal:
    """Spent and leased as one reading: between two, a slice may go from the one to the other."""
    found = rows(url, f"SELECT spent_nanos + leased_nanos FROM budget_periods WHERE subject = '{subject}'")
    return Decimal(sum(row[0] for row in found)) / 10**9


async def eventually(true: Callable[[], bool], within_s: float = 8.0) -> None:
    for _ in range(int(within_s / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    assert true()

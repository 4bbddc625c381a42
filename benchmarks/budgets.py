"""CPU of a hold and its settling: `python -m benchmarks.budgets`.

Three budgets at once (key, user, all together), leases warm, no database on the way; the call's
body of 600 bytes is read and priced for its worst case. Side by side with an empty `async with`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from doorward.core.caller import Caller, KeyLimits
from doorward.core.exchange import Exchange, MemoryBody
from doorward.core.money import Nanos, nanos_of_usd
from doorward.core.usage import Usage
from doorward.ledger.budgets import Budgets
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.prices import Prices
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, Route
from doorward.store.budgets import BudgetRows, Cap
from doorward.store.engine import Store
from doorward.store.leases import Leases
from doorward.wire.openai import read_asks

CALLS = 20_000
ROUTE = Route("gpt-4o-mini", (Plan(Provider("openai", "OpenAI", "https://api.openai.com"), None, "gpt-4o-mini"),))
BODY = json.dumps({"model": "gpt-4o-mini", "max_tokens": 100, "messages": [{"role": "user", "content": "word " * 104}]}).encode()


class Empty:
    __slots__ = ()

    async def __aenter__(self) -> Empty:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


async def measured(work: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of CPU a call; the best of three runs, because the machine is shared."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(CALLS):
            await work()
        best = min(best, (time.process_time() - started) / CALLS * 1e6)
    return best


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = await Store.open(f"sqlite:///{directory}/doorward.db")
        rows = BudgetRows(store)
        await rows.set(Cap("user:u", nanos_of_usd(10**6), "month"))
        budgets = Budgets(rows, Leases(store), Prices.load(), "p", spend_cap_nanos=nanos_of_usd(10**6))
        await budgets.refresh()
        limits = KeyLimits(budget_nanos=nanos_of_usd(10**6), budget_period="day")
        with_budgets = Caller("key:k", frozenset(), frozenset({"call"}), key_id="k", user_id="u", limits=limits)
        call = Exchange("r", "POST", "/v1/chat/completions", b"", [], MemoryBody(BODY), read_asks(BODY), "", 0.0)
        done = Attempt(1, "openai", None, "gpt-4o-mini", 0.0, AttemptState.DONE, usage=Usage(), cost=Nanos(1000))

        def page() -> Entry:
            return Entry("r", with_budgets, call, "/v1/chat/completions", 0.0, 0.0, attempts=[done])

        async def held() -> None:
            async with budgets.hold(with_budgets, ROUTE, call, page()):
                pass

        async def empty() -> None:
            page()
            async with Empty():
                pass

        await held()
        hold = await budgets.worst.of(ROUTE, call)
        purse = budgets.till.purse_of(with_budgets)
        assert purse is not None

        async def moved() -> None:
            share = budgets.till.take(purse.pots, hold.nanos)
            assert share is not None
            budgets.till.settle([share], 1000)

        async def bounded() -> None:
            await budgets.worst.of(ROUTE, call)

        nothing = await measured(empty)
        figures: dict[str, Any] = {
            "empty async with": nothing,
            "hold + settle, three budgets": await measured(held),
            "  of it: taking and settling": await measured(moved),
            "  of it: the worst case": await measured(bounded),
        }
        for name, each in figures.items():
            print(f"{name:<32}{each:8.2f} µs  x{each / nothing:.1f}")
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())

"""A process that spends: `python -m tests.money.spender JOB`, where JOB is JSON. Prints one JSON line an event.

Jobs: `crowd` (many calls at once against a cap), `hold` (hold calls, say so, settle when told by a
line on stdin).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.ledger.purse import ROUTE, billed, call, exchange, key, prices, process

from doorward.core.clock import SystemClock
from doorward.core.errors import BudgetExceeded
from doorward.core.money import nanos_of_usd
from doorward.ledger.ledger import Ledger
from doorward.ledger.pot import LeaseTimes
from doorward.store.calls import Calls
from doorward.wire.endpoints import match


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


async def crowd(job: dict[str, Any]) -> None:
    """`calls` at once, each holding 5 cents and costing 1: how many were let in, and the most held at any moment."""
    async with process(job["url"], times=LeaseTimes(ask=0.3, idle=0.2, tick=0.05, flush=0.05)) as budgets:
        me = key(job["cap"])
        say(ready=True)
        await asyncio.to_thread(sys.stdin.readline)

        async def one() -> bool:
            try:
                await call(budgets, me, cents=5, usd="0.01", sleep_s=0.02)
            except BudgetExceeded:
                return False
            return True

        admitted = sum(await asyncio.gather(*(one() for _ in range(job["calls"]))))
        say(admitted=admitted, exceeded=budgets.hold_exceeded_total)


async def hold(job: dict[str, Any]) -> None:
    """Settle one call of 2 cents, then hold two of 5 until told."""
    home = Path(job["home"])
    times = LeaseTimes(**job.get("times", {}))
    async with process(job["url"], name=f"p{os.getpid()}", times=times) as budgets:
        shelf = Calls(budgets.rows._store)
        ledger = Ledger(home, budgets.process, shelf, prices(), SystemClock(), sync_s=0.05)
        budgets.desk.journal = ledger
        await ledger.start()
        me, endpoint = key(job["cap"]), match("POST", "/v1/chat/completions").endpoint
        assert endpoint is not None

        async def one(cents: int, usd: str, until: asyncio.Event) -> None:
            asked = exchange(cents)
            async with ledger.entry(me, asked, endpoint) as page:
                page.route = ROUTE
                async with budgets.hold(me, ROUTE, asked, page):
                    held.release()
                    await until.wait()
                    billed(page, usd)

        held, now, told = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
        now.set()
        await one(2, "0.02", now)
        await held.acquire()
        open_calls = [asyncio.create_task(one(5, "0.01", told)) for _ in range(2)]
        for _ in open_calls:
            await held.acquire()
        say(holding=True, pid=os.getpid(), process=budgets.process)
        await asyncio.to_thread(sys.stdin.readline)
        told.set()
        await asyncio.gather(*open_calls)
        await ledger.stop()
    say(settled=True, cap=str(nanos_of_usd(job["cap"])))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    asyncio.run({"crowd": crowd, "hold": hold}[given["job"]](given))

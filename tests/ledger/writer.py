"""A process that opens and settles calls until it is killed: `python -m tests.ledger.writer DIRECTORY START_ID`.

Prints a line for each call once its hold is written, before it goes on: those must be in the book. One that is killed
between the two has a row that nobody announced; one that is killed before both was never let in.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.ledger.conftest import MemoryShelf, answered, caller, exchange

from doorward.core.clock import SystemClock
from doorward.ledger.ledger import Ledger
from doorward.providers.prices import Prices


async def main(directory: Path, start_id: str) -> None:
    shelf = MemoryShelf()
    shelf.away = True  # everything that is written must come out of the journal
    ledger = Ledger(directory, start_id, shelf, Prices.load(), SystemClock(), sync_s=0.02)
    await ledger.start()
    chance = random.Random(start_id)

    async def call() -> None:
        async with ledger.entry(caller(), exchange(), "/v1/chat/completions") as entry:
            ledger.held(entry, 77_000)
            os.write(1, f"in {entry.opening}\n".encode())
            await asyncio.sleep(chance.random() * 0.01)
            answered(entry, 5000)
        os.write(1, f"done {entry.opening}\n".encode())

    while True:
        await asyncio.gather(*(call() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

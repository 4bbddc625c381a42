"""Several calls at a time, bounded; the first that fails, or a caller who leaves, ends all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_parallel(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    at_once: int,
    done: Callable[[int, int], Awaitable[None]] | None = None,
) -> list[Result]:
    """Results in the order of the items. `done` is told (finished, of all) after each. Raises what the first failure raised."""
    seats = asyncio.Semaphore(at_once)
    results: dict[int, Result] = {}

    async def one(number: int, item: Item) -> None:
        async with seats:
            results[number] = await work(item)
            if done is not None:
                await done(len(results), len(items))

    tasks = [asyncio.create_task(one(number, item)) for number, item in enumerate(items)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [results[number] for number in range(len(items))]

"""Tokens of a text, counted so that other calls go on, and so that who leaves does not leave work behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from doorward.providers import encodings
from doorward.providers.tokens import count_text, counts, encoding_for

AT_ONCE_CHARS = 2_000
"""Counted in a third of a millisecond: less than a busy machine takes to change threads twice."""
Found = TypeVar("Found")


async def tokens_in(text: str, model: str) -> int:
    """In a thread, unless the text is short and its encoding loaded: loading takes a quarter of a second."""
    if len(text) <= AT_ONCE_CHARS and encodings.is_loaded(encoding_for(model)):
        return count_text(text, model).tokens
    return sum([part.tokens async for part in in_steps(counts(text, model))])


async def ready_to_count(model: str) -> None:
    """Load what counting for `model` needs, if it is not there, so that nobody's call waits for it."""
    name = encoding_for(model)
    if name is not None and not encodings.is_loaded(name):
        await asyncio.to_thread(encodings.load, name)


async def in_steps(steps: Iterator[Found]) -> AsyncIterator[Found]:
    """Each step in a thread: megabytes take seconds, and a thread cannot be cancelled, so a step is the most that is wasted."""
    end = object()
    while (found := await asyncio.to_thread(next, steps, end)) is not end:
        yield found  # type: ignore[misc]  # mypy does not part the end from what is found

"""Who watches a task's transactions, to write in the same one what they change (the audit chain does)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

Testify = Callable[[AsyncConnection, Sequence[str]], Awaitable[bool]]
"""(open transaction, what it changed as ``account:<id>``) -> whether this was the transaction that was waited for."""


@dataclass(slots=True)
class Witness:
    """Called at the end of `task`'s transactions until it has testified; `done` once that is committed."""

    task: asyncio.Task[Any] | None
    testify: Testify
    done: bool = False
    touched: dict[str, None] = field(default_factory=dict)


_witness: ContextVar[Witness | None] = ContextVar("witness", default=None)


def present() -> Witness | None:
    """Tasks that were begun inside the block inherit its context, but what they write is another matter."""
    witness = _witness.get()
    return witness if witness is not None and not witness.done and witness.task is asyncio.current_task() else None


@contextmanager
def called(testify: Testify) -> Iterator[Witness]:
    witness = Witness(asyncio.current_task(), testify)
    before = _witness.set(witness)
    try:
        yield witness
    finally:
        _witness.reset(before)

"""Answers kept for a while: one port, in memory and in Redis, one contract suite.

An owner has an epoch, and an entry belongs to the epoch that was read before its call was made. Dropping an owner's
entries begins a new epoch, in one step, however many there are: what a call that was under way brings is then too late.
Losing an entry is never an error: a cache that is away is an empty one.
"""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    async def epoch(self, owner: str) -> int | None:
        """To be read before the call whose answer may be kept; `None`: the cache is away."""

    async def get(self, owner: str, key: str, epoch: int | None) -> bytes | None:
        """What was put in this epoch, until its time is up; `None` for everything else."""

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float, epoch: int | None) -> None:
        """Not kept: values larger than the cache's bound, and what belongs to an epoch that is over."""

    async def drop(self, owner: str) -> None:
        """Forget everything of this owner, in every process. One that cannot be reached forgets as soon as it is back."""

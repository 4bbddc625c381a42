"""Answers kept for a while: one port, in memory and in Redis, one contract suite.

Keys carry their owner's epoch: dropping an owner's entries is counting its epoch up, in one step, however many there are.
Losing an entry is never an error: a cache that is away is an empty one.
"""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    async def get(self, owner: str, key: str) -> bytes | None:
        """What was put, until its time is up; `None` for everything else."""

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float) -> None:
        """Values larger than the cache's bound are not kept."""

    async def drop(self, owner: str) -> None:
        """Forget everything of this owner, in every process."""

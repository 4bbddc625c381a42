"""A cache in this process: the least lately used go first, by bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from doorward.core.clock import Clock
from doorward.shared.cache import Cache

_ENTRY_COST_BYTES = 300
"""Of an entry beside its value: keys, tuples, the dictionary's slot."""


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    until_s: float


class MemoryCache:
    def __init__(self, clock: Clock, max_bytes: int, max_value_bytes: int = 2**20) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_value_bytes = max_value_bytes
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._drops = 0
        """Everybody's epoch: what another owner's drop keeps from being kept is little, and owners need not be counted."""
        self.size_bytes = 0

    async def epoch(self, owner: str) -> int | None:
        return self._drops

    async def get(self, owner: str, key: str, epoch: int | None) -> bytes | None:
        entry = self._entries.get((owner, key))
        if entry is None:
            return None
        if entry.until_s <= self._clock.monotonic():
            self._remove((owner, key))
            return None
        self._entries.move_to_end((owner, key))
        return entry.value

    async def put(self, owner: str, key: str, value: bytes, ttl_s: float, epoch: int | None) -> None:
        if len(value) > self._max_value_bytes or epoch != self._drops:
            return
        self._remove((owner, key))
        self._entries[owner, key] = _Entry(value, self._clock.monotonic() + ttl_s)
        self.size_bytes += len(value) + _ENTRY_COST_BYTES
        while self.size_bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))

    async def drop(self, owner: str) -> None:
        self._drops += 1
        for name in [name for name in self._entries if name[0] == owner]:
            self._remove(name)

    def _remove(self, name: tuple[str, str]) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.size_bytes -= len(entry.value) + _ENTRY_COST_BYTES


_: type[Cache] = MemoryCache

"""Open streams end when the right to them does (I9): every couple of seconds each caller that has one is looked at again.

    with vigil.over(caller, end):      `end` is called once if the key, session or role is gone
        ... the stream flows ...

One look per caller, however many streams it has, through the same short-lived rows that admit calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from doorward.core.caller import Caller
from doorward.core.errors import Unavailable

EVERY_S = 1.0
"""With rows kept at most 4 s, an ending is felt within 5 s."""


class Judge(Protocol):
    """`Credentials`."""

    async def still_valid(self, caller: Caller) -> bool: ...


@dataclass(slots=True)
class _Watched:
    caller: Caller
    ends: list[Callable[[], object]] = field(default_factory=list)


class Vigil:
    def __init__(self, judge: Judge, *, every_s: float = EVERY_S) -> None:
        self._judge = judge
        self._every_s = every_s
        self._watched: dict[str, _Watched] = {}

    @contextmanager
    def over(self, caller: Caller, end: Callable[[], object]) -> Iterator[None]:
        """Watch while the block runs. The anonymous caller has nothing to lose and is not watched."""
        name = caller.key_id or caller.session_id
        if name is None:
            yield
            return
        watched = self._watched.setdefault(name, _Watched(caller))
        watched.ends.append(end)
        try:
            yield
        finally:
            if end in watched.ends:
                watched.ends.remove(end)
            if not watched.ends and self._watched.get(name) is watched:
                del self._watched[name]

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()

    async def look(self) -> None:
        """Look at every watched caller once."""
        for name, watched in list(self._watched.items()):
            if await self._may_go_on(watched.caller):
                continue
            self._watched.pop(name, None)
            ends, watched.ends = watched.ends, []
            for end in ends:
                end()

    async def _may_go_on(self, caller: Caller) -> bool:
        try:
            return await self._judge.still_valid(caller)
        except Unavailable:  # the database has been away for longer than a row may be kept (60 s)
            return False

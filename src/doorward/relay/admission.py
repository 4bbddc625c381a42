"""How many calls are open at once. What is too much waits a little, in a queue that is fair between owners, or is told
early to come again: an answer in a millisecond that says when is worth more than a place in a line that never ends.

The bound gives way when the event loop runs late (calls cost time that nobody has), and comes back by itself. While
memory is over its mark nothing new is let in.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from doorward.core.clock import Clock
from doorward.core.errors import Unavailable

TICK_S = 0.05
LATE_S = 0.2
"""An event loop that is later than this on average has more to do than it can; less is a neighbour's noise."""
LEAST_OPEN = 64
MOST_RETRY_AFTER_S = 30.0
TOO_MANY = "Doorward has more calls than it can take."
SHORT = "Doorward is short of memory."
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def machine_bytes() -> int:
    """Memory that this process may use: its control group's limit, or the machine's."""
    whole = os.sysconf("SC_PHYS_PAGES") * _PAGE
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return whole


class Admission:
    """`run` belongs to the app's tasks. `memory_bytes`: over this nothing new comes in; `None` = 85 % of what there is."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_open: int,
        max_waiting: int,
        wait_s: float,
        memory_bytes: int | None = None,
        memory: Callable[[], int] = resident_bytes,
    ) -> None:
        self._clock = clock
        self._max_open = max_open
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._most_bytes = memory_bytes if memory_bytes is not None else int(0.85 * machine_bytes())
        self._memory = memory
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._late_s = 0.0
        self._ended = 0
        self._ends_a_second = 0.0
        self.limit = max_open
        """Of open calls now."""
        self.open = 0
        self.waiting = 0
        self.refused = 0
        """Since the start."""
        self.is_full = False
        """Memory is over its mark."""

    def place(self, owner: str) -> Place:
        return Place(self, owner)

    async def run(self) -> None:
        last_s = self._clock.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = self._clock.monotonic()
            self.tick(now_s - last_s)
            last_s = now_s

    def tick(self, took_s: float) -> None:
        """Look at how late the loop is and how much memory is used, once every `TICK_S`."""
        self._late_s += 0.3 * (max(0.0, took_s - TICK_S) - self._late_s)
        self._ends_a_second += 0.1 * (self._ended / max(took_s, TICK_S) - self._ends_a_second)
        self._ended = 0
        self.is_full = self._memory() > self._most_bytes
        if self._late_s > LATE_S:
            self.limit = max(LEAST_OPEN, min(self.limit, int(self.open * 0.9)))
            self.limit = min(self.limit, self._max_open)
        elif self.limit < self._max_open:
            self.limit = min(self._max_open, self.limit + max(1, self.limit // 10))
            self._let_in()

    def look(self, owner: str) -> None:
        """Before a body is read: raises the `Unavailable` that entering would raise now. What it costs to say no is little."""
        if self.is_full:
            raise self._refusal(SHORT)
        if self.waiting >= self._max_waiting and (self.open >= self.limit or self.waiting):
            self._loudest(owner)

    async def enter(self, owner: str) -> None:
        if self.is_full:
            raise self._refusal(SHORT)
        if self.open < self.limit and not self.waiting:
            self.open += 1
            return
        self._make_room(owner)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except TimeoutError:
            if turn.cancelled():
                raise self._refusal(TOO_MANY) from None
            turn.result()  # it was let in, or turned away, at that very moment
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # it was let in at the moment in which its client left
            raise
        finally:
            self._forget(owner, turn)

    def leave(self) -> None:
        self.open -= 1
        self._ended += 1
        if self.waiting:
            self._let_in()

    def _make_room(self, owner: str) -> None:
        """A full queue takes a newcomer only from whoever has most calls in it. Raises `Unavailable`."""
        if self.waiting < self._max_waiting:
            return
        longest = self._loudest(owner)
        turn = self._waiting[longest][-1]
        self._forget(longest, turn)
        if not turn.done():
            turn.set_exception(self._refusal(TOO_MANY))

    def _loudest(self, owner: str) -> str:
        """Who gives a place in the full queue to `owner`; raises `Unavailable`: nobody has so many more calls in it."""
        longest = max(self._waiting, key=lambda name: len(self._waiting[name]), default=owner)
        if len(self._waiting.get(longest, ())) <= len(self._waiting.get(owner, ())) + 1:
            raise self._refusal(TOO_MANY)
        return longest

    def _let_in(self) -> None:
        """Owners in turn, each one's calls in order."""
        while self.waiting and self.open < self.limit:
            owner, turns = next(iter(self._waiting.items()))
            turn = turns[0]
            self._forget(owner, turn)
            if turns:  # to the end of the line of owners
                self._waiting[owner] = self._waiting.pop(owner)
            if not turn.done():
                self.open += 1
                turn.set_result(None)

    def _forget(self, owner: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(owner)
        if turns is None or turn not in turns:
            return
        turns.remove(turn)
        self.waiting -= 1
        if not turns:
            del self._waiting[owner]

    def _refusal(self, why: str) -> Unavailable:
        self.refused += 1
        wait_s = self.waiting / self._ends_a_second if self._ends_a_second > 0 else 1.0
        wait_s = min(max(wait_s, 1.0), MOST_RETRY_AFTER_S)
        return Unavailable(f"{why} Try again in {wait_s:.0f} s.", code="overloaded", retry_after_s=wait_s)


class Place:
    """One call's place among the open ones. Hand-written, because every call passes here."""

    __slots__ = ("_admission", "_owner")

    def __init__(self, admission: Admission, owner: str) -> None:
        self._admission = admission
        self._owner = owner

    async def __aenter__(self) -> None:
        await self._admission.enter(self._owner)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._admission.leave()

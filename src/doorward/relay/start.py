"""An answer's start that is waited for in pieces: waiting can stop without ending it, and go on later.

A coroutine that waits for an upstream cannot be left and taken up again by `await`. In a task of its own it could, but
every call of a route with a fallback would pay for a task, and its limits would interrupt another task than the one that
waits. So the coroutine is moved on by hand, in the task of whoever waits, as that task itself would do it.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any

from doorward.core.exchange import Reply

_LAST_WORDS_S = 60.0
"""For an abandoned start to give back what it took."""


class Start:
    """`is_over`: there is a `reply`, or it has raised. One waits at a time."""

    __slots__ = ("_coroutine", "_interruption", "_is_late", "_loop", "_pending", "_wake", "is_over", "reply")

    def __init__(self, coroutine: Coroutine[Any, None, Reply]) -> None:
        self._coroutine = coroutine
        self._loop = asyncio.get_running_loop()
        self._pending: asyncio.Future[Any] | None = None
        """What the coroutine waits for."""
        self._interruption: BaseException | None = None
        """To be thrown into it at its next step."""
        self._wake: asyncio.Future[None] | None = None
        self._is_late = False
        self.is_over = False
        self.reply: Reply | None = None

    @types.coroutine
    def within(self, hold_s: float) -> Generator[Any, None, bool]:
        """Wait, but not longer than `hold_s` -> whether the answer has started. Raises what starting it raises."""
        self._is_late = False
        timer: asyncio.TimerHandle | None = None
        try:
            while True:
                pending = self._pending
                if pending is None or pending.done():
                    if self._step():
                        return True
                    if self._pending is None:  # it gave way for one turn of the loop
                        yield from self._given_way()
                    continue
                if timer is None:
                    timer = self._loop.call_later(hold_s, self._hold_passed)
                self._wake = wake = self._loop.create_future()
                pending.add_done_callback(self._news)
                try:
                    yield from wake
                except asyncio.CancelledError as interruption:
                    # What it waits for is cancelled, as its task would do it; what cannot be, is interrupted.
                    if not pending.cancel():
                        self._interruption = interruption
                finally:
                    pending.remove_done_callback(self._news)
                if self._is_late and not pending.done():
                    return False
        finally:
            if timer is not None:
                timer.cancel()

    async def abandon(self) -> None:
        """End it. A client that left before it was told has no use for an error."""
        if self._pending is None or not self._pending.cancel():
            self._interruption = asyncio.CancelledError()
        with suppress(Exception, asyncio.CancelledError):
            await self.within(_LAST_WORDS_S)

    def _step(self) -> bool:
        """To the next thing it waits for -> whether it has come to its end."""
        interruption, self._interruption = self._interruption, None
        try:
            pending = self._coroutine.send(None) if interruption is None else self._coroutine.throw(interruption)
        except StopIteration as end:
            self.reply, self.is_over = end.value, True
            return True
        except BaseException:
            self.is_over = True
            raise
        if pending is not None:
            pending._asyncio_future_blocking = False  # the sign by which a task knows that a future was awaited
        self._pending = pending
        return False

    @types.coroutine
    def _given_way(self) -> Generator[None, None, None]:
        try:
            yield
        except asyncio.CancelledError as interruption:
            self._interruption = interruption

    def _hold_passed(self) -> None:
        self._is_late = True
        self._news()

    def _news(self, _: object = None) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

"""The one timer of a connection. It sleeps until the next thing can be due, and ordinary requests never touch it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Watch:
    """`left_s()` says in how many seconds the connection is overdue; `expire()` is called when it is.

    Besides, a client that takes nothing of what is written for `slow_reader_s` is dropped.
    """

    __slots__ = ("_expire", "_left_s", "_loop", "_slow_reader_s", "_timer", "_transport", "_unread")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        slow_reader_s: float,
        left_s: Callable[[], float],
        expire: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._slow_reader_s = slow_reader_s
        self._left_s = left_s
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None
        self._unread = (0, 0.0)
        """Bytes that wait to be written, and since when they are that many."""

    def within(self, delay_s: float) -> None:
        """Look no later than that. A timer that fires earlier is left alone."""
        due_s = self._loop.time() + delay_s
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._look)

    def writing_paused(self) -> None:
        """The write buffer is full: the client may have stopped reading."""
        self.within(self._slow_reader_s / 4)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        next_s = self._reader_s()
        if not self._transport.is_closing():
            left_s = self._left_s()
            if left_s > 0:
                next_s = min(next_s, left_s)
            else:
                self._expire()
        elif not self._unread[0]:
            return
        self.within(max(0.001, next_s))

    def _reader_s(self) -> float:
        """Seconds to the next look at what the client reads."""
        now_s = self._loop.time()
        size = self._transport.get_write_buffer_size()
        if not size or size != self._unread[0]:
            self._unread = (size, now_s)
        elif now_s - self._unread[1] >= self._slow_reader_s:
            self._transport.abort()
        return self._slow_reader_s / 4 if size else self._slow_reader_s

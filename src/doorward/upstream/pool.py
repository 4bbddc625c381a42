"""Connections to one origin: the last used first, a cap on how many, those who wait served in order."""

from __future__ import annotations

import asyncio
from collections import deque

from doorward.upstream.connection import Connection
from doorward.upstream.dial import Dialer
from doorward.upstream.port import Origin, Unreachable

_Turn = asyncio.Future["Connection | None"]
"""What a waiter gets: a connection, or `None`: a free place, already counted, to connect in."""


class Pool:
    """`most` bounds connections that are in use, resting, and being made together."""

    def __init__(self, origin: Origin, dialer: Dialer, most: int, idle_s: float) -> None:
        self._origin = origin
        self._dialer = dialer
        self._most = most
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._members: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[_Turn] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def open(self) -> int:
        """Connections in use, resting, and being made."""
        return len(self._members) + self._connecting

    @property
    def resting(self) -> int:
        return len(self._idle)

    def take(self) -> Connection | None:
        """A connection that rests and is alive. The last used first: the others may grow old and be closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.still_there():
                return connection
            connection.drop()
        return None

    async def grow(self, within_s: float) -> Connection:
        """A new connection, or the next one given back where no more may be made. Raises `Unreachable`."""
        if self._closed:
            raise Unreachable(f"{self._origin.host}: shutting down")
        if self.open >= self._most:
            started_s = self._loop.time()
            connection = await self._turn(within_s)
            if connection is not None:
                return connection
            within_s -= self._loop.time() - started_s
        else:
            self._connecting += 1
        try:
            connection = await self._dialer.dial(self._origin, within_s, lambda sock: Connection(self._origin.host, sock, self))
        except BaseException:
            self._connecting -= 1
            self._place_free()
            raise
        self._connecting -= 1
        if connection.usable:
            self._members.add(connection)
        else:
            self._place_free()
        return connection

    def give_back(self, connection: Connection) -> None:
        if self._waiting and (turn := self._next_turn()) is not None:
            turn.set_result(connection)
        elif self._closed:
            connection.drop()
        else:
            connection.idle_since_s = self._loop.time()
            self._idle.append(connection)
            if self._sweep is None:
                self._sweep = self._loop.call_later(self._idle_s, self._drop_old)

    def forget(self, connection: Connection) -> None:
        if connection in self._members:
            self._members.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._place_free()

    def close(self) -> None:
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in tuple(self._idle):
            connection.drop()
        while (turn := self._next_turn()) is not None:
            turn.set_exception(Unreachable(f"{self._origin.host}: shutting down"))

    async def _turn(self, within_s: float) -> Connection | None:
        turn: _Turn = self._loop.create_future()
        self._waiting.append(turn)
        timer = self._loop.call_later(within_s, self._turn_passed, turn, within_s)
        try:
            return await turn
        except BaseException:
            # Cancelled in the same moment in which a turn came: what was handed over goes to the next one.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._return(turn.result())
            raise
        finally:
            timer.cancel()

    def _turn_passed(self, turn: _Turn, within_s: float) -> None:
        if not turn.done():
            turn.set_exception(Unreachable(f"{self._origin.host}: all {self._most} connections are busy for {within_s:g} s"))

    def _return(self, handed: Connection | None) -> None:
        if handed is None:
            self._connecting -= 1
            self._place_free()
        elif handed.usable:
            self.give_back(handed)

    def _place_free(self) -> None:
        if self.open < self._most and (turn := self._next_turn()) is not None:
            self._connecting += 1
            turn.set_result(None)

    def _next_turn(self) -> _Turn | None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None

    def _drop_old(self) -> None:
        self._sweep = None
        now_s = self._loop.time()
        while self._idle and now_s - self._idle[0].idle_since_s >= self._idle_s - 0.01:
            self._idle[0].drop()
        if self._idle:
            due_s = self._idle[0].idle_since_s + self._idle_s
            self._sweep = self._loop.call_at(due_s, self._drop_old)

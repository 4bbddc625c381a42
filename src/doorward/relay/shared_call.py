"""One running call that several clients may hear: what it has said so far, and who listens.

Up to `LARGEST_BYTES` everything said is held, so that whoever joins hears it from the beginning. Beyond that nobody can
join any more, and only what the slowest follower has not heard yet is held; one that falls too far behind is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from copy import copy

from doorward.core.errors import DoorwardError, Unavailable
from doorward.core.exchange import Reply
from doorward.relay.recording import LARGEST_BYTES

MOST_BEHIND_BYTES = 4 * LARGEST_BYTES
"""What is held for a follower that reads slower than its call speaks."""
ENDED = "The call that this one had joined was ended. Send it again."
TOO_SLOW = "This client read too slowly for the call that it had joined. Send it again."


class SharedCall:
    """`task` makes the call for its first client; `finishes`: to the end, even if nobody listens any more."""

    def __init__(self, task: asyncio.Task[object], *, finishes: bool) -> None:
        self.head: Reply | None = None
        self.size = 0
        self.is_done = False
        self.error: DoorwardError | None = None
        self._chunks: deque[bytes] = deque()
        self._first = 0
        """Index of the first chunk that is held."""
        self._held = 0
        self._finishes = finishes
        self._task = task
        self._first_listens = True
        self._dying = False
        self._followers: set[Follower] = set()

    @property
    def can_be_joined(self) -> bool:
        return not self.is_done and not self._dying and self.size <= LARGEST_BYTES

    @property
    def chunks(self) -> list[bytes]:
        """The whole of what was said, while `size` is at most `LARGEST_BYTES`."""
        return list(self._chunks)

    def join(self) -> Follower:
        follower = Follower(self)
        self._followers.add(follower)
        return follower

    def first_left(self) -> None:
        """The client whose call this was has gone."""
        self._first_listens = False
        self._end_if_unheard()

    def left(self, follower: Follower) -> None:
        self._followers.discard(follower)
        self._end_if_unheard()

    def _end_if_unheard(self) -> None:
        """The last listener takes the call along, at once, unless it is to be finished for a replay."""
        if not self._first_listens and not self._followers and not self.is_done and not self._finishes and not self._dying:
            self._dying = True
            self._task.cancel()

    def began(self, head: Reply) -> None:
        self.head = head
        self._tell()

    def said(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._held += len(chunk)
        if self.size > LARGEST_BYTES:
            self._forget()
        self._tell()

    def ended(self, error: BaseException | None) -> None:
        if isinstance(error, DoorwardError):
            self.error = error
        elif error is not None:
            self.error = Unavailable(ENDED, retry_after_s=1)
        self.is_done = True
        self._tell()

    def chunk(self, index: int) -> bytes | None:
        """`None`: not said yet."""
        at = index - self._first
        return self._chunks[at] if at < len(self._chunks) else None

    def _forget(self) -> None:
        """What every follower has heard; then whoever is too far behind is cut off."""
        while True:
            needed = min((f.at for f in self._followers if not f.is_cut), default=self._first + len(self._chunks))
            while self._first < needed:
                self._held -= len(self._chunks.popleft())
                self._first += 1
            if self._held <= MOST_BEHIND_BYTES:
                return
            for follower in self._followers:
                follower.is_cut = follower.is_cut or follower.at == needed

    def _tell(self) -> None:
        for follower in self._followers:
            follower.wake()


class Follower:
    """One client that joined; it has a row of its own that costs nothing."""

    def __init__(self, call: SharedCall) -> None:
        self.at = 0
        """Index of the next chunk it hears."""
        self.is_cut = False
        self._call = call
        self._news: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def leave(self) -> None:
        self._call.left(self)

    async def reply(self) -> Reply:
        """The call's answer. Raises what the call ended in, if that was before it began."""
        call = self._call
        while call.head is None:
            if call.error is not None:
                raise _own(call.error)
            await self._wait()
        return Reply(call.head.status, list(call.head.headers), self._chunks(), call.head.streamed)

    async def _chunks(self) -> AsyncIterator[bytes]:
        call = self._call
        while True:
            if self.is_cut:
                raise Unavailable(TOO_SLOW, retry_after_s=1)
            if (chunk := call.chunk(self.at)) is not None:
                self.at += 1
                yield chunk
            elif call.error is not None:
                raise _own(call.error)
            elif call.is_done:
                return
            else:
                await self._wait()

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news


def _own(error: DoorwardError) -> DoorwardError:
    """A follower's copy: the limits in its headers are those of the key that made the call."""
    error = copy(error)
    error.headers = ()
    return error

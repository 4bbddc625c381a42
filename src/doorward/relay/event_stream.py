"""One upstream's stream as whole events, to a clean end or an error.

An iterator written out, and not a generator on a generator: every event of every stream passes here. Each is read once,
for its end and for the tap on it.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from doorward.core.errors import UpstreamLost
from doorward.ledger.entry import Attempt, AttemptState
from doorward.relay.late import Deadline, lost
from doorward.relay.stream_end import StreamEnd
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import Lost, Stage, TransportError
from doorward.wire.sse import EventTooLarge, Splitter, data_of
from doorward.wire.usage import MALFORMED, Heard

DONE = b"data: [DONE]\n\n"
SAID_NOTHING = "The upstream ended its stream with an error."
"""Instead of the upstream's own words, which go into our one error event where there are any."""
COMPLETE_S = 5.0
"""How long a stream that has told its `finish_reason` is waited for: only usage and `[DONE]` can follow."""


class Tap(Protocol):
    """Who listens to what is said: `relay.meter`."""

    def heard(self, said: Heard) -> bool:
        """One event -> whether the client sees it."""

    def ended(self) -> None:
        """The stream is complete. May be told twice."""


class EventStream:
    """`n` choices are asked for. Ends at `[DONE]`, or where the answer is known to be complete."""

    __slots__ = ("_attempt", "_deadline", "_ends", "_events", "_had_some", "_incoming", "_over", "_splitter", "tap")

    def __init__(self, incoming: Concealed, kind: str, attempt: Attempt, deadline: Deadline, n: int) -> None:
        self._incoming = incoming
        self._attempt = attempt
        self._deadline = deadline
        self._splitter = Splitter()
        self._ends = StreamEnd(kind, n)
        self._events: deque[bytes] = deque()
        self._had_some = False
        """Events have gone on since the last reading."""
        self._over = False
        self.tap: Tap | None = None

    async def begin(self) -> None:
        """Wait for the first event. Comments that keep a connection alive are none: they start no answer and extend no limit."""
        while all(data_of(event) is None for event in self._events):
            self._events.clear()
            piece = await self._incoming.read(self._deadline.left_s())
            if not piece:
                raise Lost("the stream ended before its first event", Stage.HEAD)
            self._split(piece)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        """Raises `UpstreamLost`, `UpstreamSilent`."""
        events, ends = self._events, self._ends
        while not (ends.done or self._over):
            while events:
                event = events.popleft()
                if self._passes(event):
                    return event
            try:
                piece = await self._incoming.read(self._wait_s())
                if piece:
                    self._split(piece)
                else:
                    self._over = True
            except TransportError as cause:
                if not ends.complete:
                    self._died(str(cause))
                    raise lost(cause) from cause
                self._over = True
        if not ends.complete:
            self._died("the stream ended early")
            raise UpstreamLost(
                "The upstream's stream ended before the answer was complete. It may have been billed; nothing was sent again."
            )
        self._attempt.state = AttemptState.DONE
        if self.tap is not None:
            self.tap.ended()
        if ends.owes_done:
            ends.done = True
            return DONE
        raise StopAsyncIteration

    def _passes(self, event: bytes) -> bool:
        """Read one event -> whether it goes on to the client. Raises `UpstreamLost` for an error that the upstream tells."""
        attempt, data = self._attempt, data_of(event)
        self._had_some = True
        if data is not None and attempt.first_event_s is None:
            attempt.state, attempt.first_event_s = AttemptState.FIRST_EVENT, self._deadline.moved()
        said = self._ends.saw(data)
        if said is MALFORMED:
            attempt.dropped_events += 1
            return False
        if said.is_error:
            raise self._told()
        return self.tap is None or self.tap.heard(said)

    def _wait_s(self) -> float:
        if self._had_some and self._attempt.first_event_s is not None:
            # from the moment in which the client took them: its slowness is not the upstream's
            self._had_some = False
            wait_s = self._deadline.next_s()
        else:
            wait_s = self._deadline.left_s()
        return min(wait_s, COMPLETE_S) if self._ends.is_finished else wait_s

    def _split(self, piece: bytes) -> None:
        try:
            self._events.extend(self._splitter.feed(piece))
        except EventTooLarge as cause:
            raise Lost(str(cause), Stage.BODY) from cause

    def _told(self) -> UpstreamLost:
        error, conceal = self._ends.error, self._incoming.conceal_text
        assert error is not None
        code = conceal(error.code)
        self._died(f"the stream ended with an error: {code or conceal(error.type)}")
        return UpstreamLost(conceal(error.message) or SAID_NOTHING, code=code)

    def _died(self, why: str) -> None:
        self._attempt.state, self._attempt.reason = AttemptState.AMBIGUOUS, why

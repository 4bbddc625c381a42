"""One upstream's stream as whole events, to a clean end or an error.

An iterator written out, and not a generator on a generator: every event of every stream passes here. Each is read once,
for its end and for the tap on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.ledger.entry import Attempt, AttemptState
from doorward.relay.late import Deadline, lost
from doorward.relay.stream_end import StreamEnd
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import Lost, Stage, TransportError
from doorward.wire import envelope
from doorward.wire.sse import EventTooLarge, Splitter, data_of
from doorward.wire.usage import MALFORMED, Heard, of_event

DONE = b"data: [DONE]\n\n"
ENDED_EARLY = "The upstream's stream ended before the answer was complete. It may have been billed; nothing was sent again."
SAID_NOTHING = "The upstream ended its stream with an error."
"""Instead of the upstream's own words, which go into our one error event where there are any."""
COMPLETE_S = 5.0
"""How long a stream that has told its `finish_reason` is waited for: only usage and `[DONE]` can follow."""
_SHORT = 32
"""Bytes; `[DONE]` is no longer, with whatever white space around it."""


class Tap(Protocol):
    """Who listens to what is said: `relay.meter`."""

    def heard(self, said: Heard) -> bool:
        """One event -> whether the client sees it."""

    def ended(self) -> None:
        """The stream is complete. May be told twice."""


class Heir(Protocol):
    """Who goes on with an answer whose stream has died: `relay.rescue`."""

    @property
    def saw(self) -> Callable[[bytes], None]:
        """Is told what the client gets of it."""

    def after(self, died: UpstreamLost | UpstreamSilent) -> AsyncIterator[bytes]:
        """The rest from elsewhere. Raises `died` if there is none."""


class EventStream:
    """`n` choices are asked for. Ends at `[DONE]`, or where the answer is known to be complete.

    Events that came together go on together, as they came; a comment goes alone.
    """

    __slots__ = (
        "_attempt",
        "_deadline",
        "_ends",
        "_events",
        "_failed",
        "_had_some",
        "_incoming",
        "_kind",
        "_over",
        "_rest",
        "_splitter",
        "heir",
        "tap",
    )

    def __init__(self, incoming: Concealed, kind: str, attempt: Attempt, deadline: Deadline, n: int) -> None:
        self._incoming = incoming
        self._kind = kind
        self._attempt = attempt
        self._deadline = deadline
        self._splitter = Splitter()
        self._ends = StreamEnd(kind, n)
        self._events: list[bytes] = []
        self._failed: UpstreamLost | None = None
        """What the upstream has told, behind events that go on first."""
        self._had_some = False
        """Events have gone on since the last reading."""
        self._over = False
        self._rest: AsyncIterator[bytes] | None = None
        """What comes from elsewhere, after it has died."""
        self.tap: Tap | None = None
        self.heir: Heir | None = None

    async def begin(self) -> None:
        """Wait for the first event. Comments that keep a connection alive are none: they start no answer and extend no limit."""
        while True:
            for event in self._events:
                if data_of(event) is not None:
                    return
            piece = await self._incoming.read(self._deadline.left_s())
            if not piece:
                raise Lost("the stream ended before its first event", Stage.HEAD)
            self._events = self._split(piece)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        """Raises `UpstreamLost`, `UpstreamSilent`."""
        if self._rest is not None:
            return await anext(self._rest)
        ends = self._ends
        try:
            while self._events or not (ends.done or self._over):
                if self._events and (passed := self._passing()):
                    if self.heir is not None:
                        self.heir.saw(passed)
                    return passed
                if self._failed is not None:
                    raise self._failed
                if ends.done or self._events:
                    continue
                try:
                    if piece := await self._incoming.read(self._wait_s()):
                        self._events = self._split(piece)
                    else:
                        self._over = True
                except TransportError as cause:
                    if not ends.complete:
                        self._died(str(cause))
                        raise lost(cause) from cause
                    self._over = True
            if not ends.complete:
                self._died("the stream ended early")
                raise UpstreamLost(ENDED_EARLY)
        except (UpstreamLost, UpstreamSilent) as died:
            if self.heir is None:
                raise
            self._rest = self.heir.after(died)
            return await anext(self._rest)
        self._attempt.state = AttemptState.DONE
        if self.tap is not None:
            self.tap.ended()
        if ends.owes_done:
            ends.done = True
            return DONE
        raise StopAsyncIteration

    def _passing(self) -> bytes:
        """Read the events that have come -> those that go on to the client."""
        attempt, events, ends, tap = self._attempt, self._events, self._ends, self.tap
        passed: list[bytes] = []
        read = 0
        for event in events:
            data = data_of(event)
            if data is None and passed:
                break
            read += 1
            if data is not None and attempt.first_event_s is None:
                attempt.state, attempt.first_event_s = AttemptState.FIRST_EVENT, self._deadline.moved()
            if data is None:
                passed.append(event)
                break
            if len(data) < _SHORT and data.strip() == b"[DONE]":
                ends.done = True
                passed.append(event)
                read = len(events)
                break
            said = of_event(self._kind, data)
            if said is MALFORMED:
                attempt.dropped_events += 1
                continue
            if said.is_error:
                self._failed = self._told(data)
                read = len(events)
                break
            if said.finished:
                ends.ended(said.finished)
            if tap is None or tap.heard(said):
                passed.append(event)
        self._had_some = True
        self._events = events[read:] if read < len(events) else []
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def _wait_s(self) -> float:
        if self._had_some and self._attempt.first_event_s is not None:
            # from the moment in which the client took them: its slowness is not the upstream's
            self._had_some = False
            wait_s = self._deadline.next_s()
        else:
            wait_s = self._deadline.left_s()
        return min(wait_s, COMPLETE_S) if self._ends.is_finished else wait_s

    def _split(self, piece: bytes) -> list[bytes]:
        try:
            return self._splitter.feed(piece)
        except EventTooLarge as cause:
            raise Lost(str(cause), Stage.BODY) from cause

    def _told(self, data: bytes) -> UpstreamLost:
        error, conceal = envelope.read_upstream(data), self._incoming.conceal_text
        code = conceal(error.code)
        self._died(f"the stream ended with an error: {code or conceal(error.type)}")
        return UpstreamLost(conceal(error.message) or SAID_NOTHING, code=code)

    def _died(self, why: str) -> None:
        self._attempt.state, self._attempt.reason = AttemptState.AMBIGUOUS, why

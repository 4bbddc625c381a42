"""One upstream's stream: events that came together go on together, and what must stand alone does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from doorward.core.clock import SystemClock
from doorward.core.errors import UpstreamLost
from doorward.ledger.entry import Attempt, AttemptState
from doorward.providers.route import TimeLimits
from doorward.relay.event_stream import EventStream
from doorward.relay.late import Deadline
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import Lost, Stage

ONE = b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n'
TWO = b'data: {"choices":[{"index":0,"delta":{"content":"two"}}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": ping\n\n"
ERROR = b'data: {"error":{"message":"It broke","type":"server_error","code":"broken"}}\n\n'


class Pieces:
    def __init__(self, pieces: Sequence[bytes], breaks: bool) -> None:
        self._left = [*pieces, b""][::-1]
        self._breaks = breaks

    async def read(self, within_s: float) -> bytes:
        if len(self._left) == 1 and self._breaks:
            raise Lost("the connection broke", Stage.BODY)
        return self._left.pop()


def stream(*pieces: bytes, breaks: bool = False) -> tuple[EventStream, Attempt]:
    clock = SystemClock()
    now_s = clock.monotonic()
    attempt = Attempt(1, "p", None, "m", now_s, AttemptState.HEADERS)
    incoming = Concealed(200, [], {}, Pieces(pieces, breaks).read, lambda: None, None)
    deadline = Deadline(clock, now_s, now_s + 60, TimeLimits(), streamed=True)
    return EventStream(incoming, "chat", attempt, deadline, 1), attempt


async def test_events_that_came_together_go_on_together() -> None:
    events, attempt = stream(ONE + TWO, LAST[:30], LAST[30:] + DONE)
    assert [chunk async for chunk in events] == [ONE + TWO, LAST + DONE]
    assert attempt.state is AttemptState.DONE


async def test_a_comment_goes_alone() -> None:
    """Whoever keeps an answer leaves out what begins as a comment, and must not lose an event with it."""
    events, _ = stream(COMMENT + ONE + COMMENT + TWO + LAST + DONE)
    assert [chunk async for chunk in events] == [COMMENT, ONE, COMMENT, TWO + LAST + DONE]


async def test_a_bad_event_is_left_out_of_the_middle() -> None:
    events, attempt = stream(ONE + b"data: {nonsense\n\n" + TWO + LAST + DONE)
    assert [chunk async for chunk in events] == [ONE + TWO + LAST + DONE]
    assert attempt.dropped_events == 1


async def test_nothing_goes_on_behind_the_end() -> None:
    events, _ = stream(ONE + LAST + DONE + TWO, TWO)
    assert [chunk async for chunk in events] == [ONE + LAST + DONE]


async def test_an_error_is_told_behind_what_came_before_it() -> None:
    events, attempt = stream(ONE + ERROR + TWO)
    assert await anext(events) == ONE
    for _ in range(2):  # and again, should anybody ask again
        with pytest.raises(UpstreamLost, match="It broke") as told:
            await anext(events)
        assert told.value.code == "broken"
    assert attempt.state is AttemptState.AMBIGUOUS


class Heir:
    """Goes on with an answer, and remembers what its client got."""

    def __init__(self, rest: Sequence[bytes]) -> None:
        self.had: list[bytes] = []
        self._rest = rest

    @property
    def saw(self):  # type: ignore[no-untyped-def]  # a bound method of a list
        return self.had.append

    async def after(self, died: Exception) -> AsyncIterator[bytes]:
        if not self._rest:
            raise died
        for event in self._rest:
            yield event


async def test_an_heir_goes_on_where_it_died() -> None:
    events, _ = stream(ONE, TWO, breaks=True)
    events.heir = heir = Heir([LAST, DONE])
    assert [chunk async for chunk in events] == [ONE, TWO, LAST, DONE]
    assert heir.had == [ONE, TWO]


async def test_without_a_rest_it_ends_as_it_died() -> None:
    events, _ = stream(ONE, breaks=True)
    events.heir = Heir([])
    assert await anext(events) == ONE
    with pytest.raises(UpstreamLost, match="the connection broke"):
        await anext(events)

"""An upstream's answer turned into a `Reply`: streams event by event, small answers whole, the rest as it comes.

A streamed answer is passed on in whole events, so that an error can always follow as an event of its own. A JSON
answer is held until it is whole (up to `WHOLE_BYTES`), so that one that breaks off is a 502 and not half a body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.core.exchange import Reply, header
from doorward.ledger.entry import Attempt, AttemptState
from doorward.providers.route import TimeLimits
from doorward.relay.stream_end import StreamEnd
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import Incoming, Lost, Silent, Stage, TransportError
from doorward.wire.endpoints import Endpoint
from doorward.wire.headers import back
from doorward.wire.scrub import scrub
from doorward.wire.sse import EventTooLarge, Splitter, data_of

WHOLE_BYTES = 8 * 2**20
ERROR_BYTES = 2**20
DONE = b"data: [DONE]\n\n"
SAID_NOTHING = "The upstream ended its stream with an error."
"""Instead of the upstream's own words, which go into our one error event where there are any."""
COMPLETE_S = 5.0
"""How long a stream that has told its `finish_reason` is waited for: only usage and `[DONE]` can follow."""


def lost(cause: TransportError) -> UpstreamLost | UpstreamSilent:
    """The client's view of an ambiguous loss (R10): the outcome is unknown, so nobody sends it again."""
    if isinstance(cause, Silent):
        return UpstreamSilent(f"The upstream did not answer in time ({cause}). It may have been billed; nothing was sent again.")
    return UpstreamLost(f"The upstream's answer was lost ({cause}). It may have been billed; nothing was sent again.")


class Deadline:
    """Between two pieces `idle_s`, for the first `first_s`, and never beyond `until_s`, the whole call's end (monotonic).

    A piece of a stream is an event: one that comes byte by byte is as late as one that does not come.
    """

    __slots__ = ("_clock", "_due", "_idle_s", "_until")

    def __init__(self, clock: Clock, sent_s: float, until_s: float, limits: TimeLimits, streamed: bool) -> None:
        self._clock = clock
        self._idle_s = limits.idle_s
        self._until = until_s
        self._due = sent_s + (limits.first_event_streamed_s if streamed else limits.first_event_whole_s)

    def left_s(self) -> float:
        return max(0.001, min(self._due, self._until) - self._clock.monotonic())

    def moved(self) -> float:
        """A piece has come and gone on; the next may take `idle_s` from now -> now, monotonic."""
        now = self._clock.monotonic()
        self._due = now + self._idle_s
        return now


async def reply_of(incoming: Concealed, endpoint: Endpoint, attempt: Attempt, deadline: Deadline, n: int, *, hold: bool) -> Reply:
    """Waits for the whole of a small answer, and with `hold` for a stream's first event. Raises `TransportError` until then."""
    content_type = header(incoming.headers, b"content-type") or b""
    if content_type.startswith(b"text/event-stream"):
        return await _stream(incoming, endpoint, attempt, deadline, n, hold=hold)
    if b"json" in content_type:
        return await _whole(incoming, attempt, deadline)
    headers = back(incoming.headers, incoming.status, unchanged=True)
    first = await incoming.read(deadline.left_s())
    _first(attempt, deadline)
    return Reply(incoming.status, headers, _pass(incoming, first, attempt, deadline))


async def read_error(incoming: Concealed, deadline: Deadline) -> bytes:
    """An error's body, whole up to `ERROR_BYTES`; what is longer is cut. Raises `TransportError`."""
    held = bytearray()
    while len(held) < ERROR_BYTES and (piece := await incoming.read(deadline.left_s())):
        deadline.moved()
        held += piece
    return incoming.conceal(bytes(held))[:ERROR_BYTES]


def error_reply(incoming: Incoming, body: bytes) -> Reply:
    """An upstream's error passes through, scrubbed of anything that looks like a key; nobody is to try again (R21)."""
    clean = scrub(body)
    headers = [(name, scrub(value)) for name, value in back(incoming.headers, incoming.status) if name != b"x-should-retry"]
    headers += [(b"x-should-retry", b"false"), (b"content-length", b"%d" % len(clean))]
    return Reply(incoming.status, headers, Once(clean), whole=True)


def _first(attempt: Attempt, deadline: Deadline) -> None:
    attempt.state = AttemptState.FIRST_EVENT
    attempt.first_event_s = deadline.moved()


async def _whole(incoming: Incoming, attempt: Attempt, deadline: Deadline) -> Reply:
    held = [await incoming.read(deadline.left_s())]
    attempt.first_event_s = deadline.moved()
    size = len(held[0])
    while held[-1] and size <= WHOLE_BYTES:
        held.append(await incoming.read(deadline.left_s()))
        deadline.moved()
        size += len(held[-1])
    headers = back(incoming.headers, incoming.status)
    attempt.state = AttemptState.FIRST_EVENT
    if held[-1]:
        headers = back(incoming.headers, incoming.status, unchanged=True)
        return Reply(incoming.status, headers, _pass(incoming, b"".join(held), attempt, deadline))
    body = b"".join(held)
    if incoming.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    attempt.state = AttemptState.DONE
    return Reply(incoming.status, headers, Once(body), whole=True)


class Once:
    """The chunks of a body that is at hand. Hand-written: the loop keeps a book of generators, and most calls pass here."""

    __slots__ = ("_left",)

    def __init__(self, body: bytes) -> None:
        self._left = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        body, self._left = self._left, b""
        if not body:
            raise StopAsyncIteration
        return body


async def _pass(incoming: Incoming, first: bytes, attempt: Attempt, deadline: Deadline) -> AsyncIterator[bytes]:
    piece = first
    try:
        while piece:
            yield piece
            deadline.moved()
            piece = await incoming.read(deadline.left_s())
    except TransportError as cause:
        attempt.state = AttemptState.AMBIGUOUS
        raise lost(cause) from cause
    attempt.state = AttemptState.DONE


async def _stream(incoming: Concealed, endpoint: Endpoint, attempt: Attempt, deadline: Deadline, n: int, *, hold: bool) -> Reply:
    splitter = Splitter()
    events: list[bytes] = []
    # Comments that keep a connection alive are no event: they neither start an answer nor extend its limit.
    while hold and all(data_of(event) is None for event in events):
        piece = await incoming.read(deadline.left_s())
        if not piece:
            raise Lost("the stream ended before its first event", Stage.HEAD)
        events = _split(splitter, piece)
    chunks = _events(incoming, splitter, events, endpoint, attempt, deadline, n)
    return Reply(incoming.status, back(incoming.headers, incoming.status), chunks, streamed=True)


async def _events(
    incoming: Concealed, splitter: Splitter, events: list[bytes], endpoint: Endpoint, attempt: Attempt, deadline: Deadline, n: int
) -> AsyncIterator[bytes]:
    """Whole events, to a clean end or an error. Ends at `[DONE]`, or where the answer is known to be complete."""
    ends = StreamEnd(endpoint.kind, n)
    try:
        while True:
            for event in events:
                data = data_of(event)
                if data is not None and attempt.state is not AttemptState.FIRST_EVENT:
                    _first(attempt, deadline)
                if not ends.saw(data):
                    attempt.dropped_events += 1
                    continue
                if ends.error is not None:
                    attempt.state = AttemptState.AMBIGUOUS
                    code = incoming.conceal_text(ends.error.code)
                    attempt.reason = f"the stream ended with an error: {code or incoming.conceal_text(ends.error.type)}"
                    raise UpstreamLost(incoming.conceal_text(ends.error.message) or SAID_NOTHING, code=code)
                yield event
                if ends.done:
                    attempt.state = AttemptState.DONE
                    return
            if events and attempt.state is AttemptState.FIRST_EVENT:
                # from the moment in which the client took it: its slowness is not the upstream's
                deadline.moved()
            wait_s = deadline.left_s()
            piece = await incoming.read(min(wait_s, COMPLETE_S) if ends.is_finished else wait_s)
            if not piece:
                break
            events = _split(splitter, piece)
    except TransportError as cause:
        if not ends.complete:
            attempt.state = AttemptState.AMBIGUOUS
            attempt.reason = str(cause)
            raise lost(cause) from cause
    if not ends.complete:
        attempt.state = AttemptState.AMBIGUOUS
        attempt.reason = "the stream ended early"
        raise UpstreamLost(
            "The upstream's stream ended before the answer was complete. It may have been billed; nothing was sent again."
        )
    attempt.state = AttemptState.DONE
    if ends.owes_done:
        yield DONE


def _split(splitter: Splitter, piece: bytes) -> list[bytes]:
    try:
        return splitter.feed(piece)
    except EventTooLarge as cause:
        raise Lost(str(cause), Stage.BODY) from cause

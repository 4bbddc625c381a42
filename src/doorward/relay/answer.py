"""An upstream's answer turned into a `Reply`: streams event by event, small answers whole, the rest as it comes.

A streamed answer is passed on in whole events, so that an error can always follow as an event of its own. A JSON
answer is held until it is whole (up to `WHOLE_BYTES`), so that one that breaks off is a 502 and not half a body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from doorward.core.exchange import Header, Reply
from doorward.ledger.entry import Attempt, AttemptState
from doorward.relay.event_stream import EventStream
from doorward.relay.late import Deadline, lost
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import TransportError
from doorward.wire.endpoints import Endpoint
from doorward.wire.headers import back
from doorward.wire.inflate import plain
from doorward.wire.scrub import scrub

WHOLE_BYTES = 8 * 2**20
ERROR_BYTES = 2**20
UNREADABLE = b"The provider's error is left out: it is compressed in a way that Doorward cannot look through.\n"
_NOT_OF_ERRORS = frozenset({b"x-should-retry", b"content-encoding"})
"""We say ourselves whether to retry, and errors go on without compression."""


async def reply_of(incoming: Concealed, endpoint: Endpoint, attempt: Attempt, deadline: Deadline, n: int, *, hold: bool) -> Reply:
    """Waits for the whole of a small answer, and with `hold` for a stream's first event. Raises `TransportError` until then."""
    said = incoming.named
    content_type = said.get(b"content-type", b"")
    encoding = said.get(b"content-encoding") or b"identity"
    if b"json" in content_type:
        return await _whole(incoming, attempt, deadline, encoding)
    if content_type.startswith(b"text/event-stream") and encoding == b"identity":
        return await _stream(incoming, endpoint, attempt, deadline, n, hold=hold)
    headers = _as_it_came(incoming, encoding)
    first = await incoming.read(deadline.left_s())
    attempt.state, attempt.first_event_s = AttemptState.FIRST_EVENT, deadline.moved()
    return Reply(incoming.status, headers, _pass(incoming, first, attempt, deadline))


async def read_error(incoming: Concealed, deadline: Deadline) -> bytes:
    """An error's body, whole up to `ERROR_BYTES`, without compression; what is longer is cut. Raises `TransportError`."""
    held = bytearray()
    while len(held) < ERROR_BYTES and (piece := await incoming.read(deadline.left_s())):
        deadline.moved()
        held += piece
    readable = plain(bytes(held), incoming.named.get(b"content-encoding"), ERROR_BYTES)
    return UNREADABLE if readable is None else incoming.conceal(readable)[:ERROR_BYTES]


def error_reply(incoming: Concealed, body: bytes) -> Reply:
    """An upstream's error passes through, scrubbed of anything that looks like a key; nobody is to try again (R21)."""
    clean = scrub(body)
    headers = [(name, scrub(value)) for name, value in back(incoming.headers, incoming.status) if name not in _NOT_OF_ERRORS]
    headers += [(b"x-should-retry", b"false"), (b"content-length", b"%d" % len(clean))]
    return Reply(incoming.status, headers, Once(clean), whole=True)


async def _whole(incoming: Concealed, attempt: Attempt, deadline: Deadline, encoding: bytes) -> Reply:
    body = piece = await incoming.read(deadline.left_s())
    attempt.first_event_s = deadline.moved()
    if piece and (piece := await incoming.read(deadline.left_s())):  # nearly every answer has come whole by now
        held = [body, piece]
        size = len(body) + len(piece)
        while piece and size <= WHOLE_BYTES:
            deadline.moved()
            piece = await incoming.read(deadline.left_s())
            held.append(piece)
            size += len(piece)
        body = b"".join(held)
    headers = back(incoming.headers, incoming.status)
    attempt.state = AttemptState.FIRST_EVENT
    readable = None if piece else plain(body, encoding, WHOLE_BYTES + 1)
    if readable is None or len(readable) > WHOLE_BYTES:
        return Reply(incoming.status, _as_it_came(incoming, encoding), _pass(incoming, body, attempt, deadline))
    if incoming.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(readable)))
    attempt.state = AttemptState.DONE
    return Reply(incoming.status, headers, Once(readable), whole=True)


def _as_it_came(incoming: Concealed, encoding: bytes) -> list[Header]:
    headers = back(incoming.headers, incoming.status, unchanged=True)
    # It was asked not to compress; its client can read what we cannot.
    return headers if encoding == b"identity" else [*headers, (b"content-encoding", encoding)]


class Once:
    """The chunks of a body that is at hand. Hand-written: the loop keeps a book of generators, and most calls pass here."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body
        """What was not taken yet."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        body, self.body = self.body, b""
        if not body:
            raise StopAsyncIteration
        return body


async def _pass(incoming: Concealed, first: bytes, attempt: Attempt, deadline: Deadline) -> AsyncIterator[bytes]:
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
    events = EventStream(incoming, endpoint.kind, attempt, deadline, n)
    if hold:
        await events.begin()
    return Reply(incoming.status, back(incoming.headers, incoming.status), events, streamed=True)

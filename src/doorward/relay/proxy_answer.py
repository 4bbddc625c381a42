"""An upstream's answer to an adapter's call on its way back: its bytes as they came, counted, capped, and timed.

An event stream is passed on in whole events, so that an error can follow as an event of its own. An
error's body is read whole, inflated if need be, and scrubbed, also of what the adapter's variables hold. A redirect is an
answer like any other: it is never followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from doorward.adapters.adapter import Adapter
from doorward.adapters.headers import ALSO_RETURN
from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, UpstreamFailed, UpstreamLost, UpstreamSilent
from doorward.core.exchange import Header, Headers, Reply, header
from doorward.ledger.entry import Attempt, AttemptState
from doorward.upstream.port import Incoming, Silent, Stage, TransportError
from doorward.wire.headers import back
from doorward.wire.inflate import plain
from doorward.wire.scrub import MASK, scrub
from doorward.wire.sse import EventTooLarge, Splitter

ERROR_BYTES = 2**18
"""Of an error's body; looking through a mebibyte would hold up every other call for half a second."""
LEAST_SECRET_BYTES = 6
"""Shorter values of variables are words like `prod`: cutting them out would garble the error and hide nothing."""

UNREADABLE = b"The error's body is left out: it is compressed in a way that Doorward cannot look through.\n"
_OF_THE_BYTES = frozenset({b"content-length", b"content-encoding", b"content-md5"})
"""Headers that no longer fit a body that was looked through."""

SHIELD: tuple[Header, ...] = (
    # The upstream's pages would otherwise run on our own address, with our visitors' sessions.
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


def failure(adapter: Adapter, cause: TransportError) -> DoorwardError:
    """What the client is told. The host is named only if the file names it in clear."""
    why = "" if adapter.hidden_url else f" ({cause})"
    if cause.stage is Stage.CONNECTING:
        return UpstreamFailed(f"The API behind adapter {adapter.name} could not be reached{why}. Nothing was sent.")
    if isinstance(cause, Silent):
        return UpstreamSilent(f"The API behind adapter {adapter.name} did not answer in time{why}. Nothing was sent again.")
    return UpstreamLost(f"The answer of the API behind adapter {adapter.name} was lost{why}. Nothing was sent again.")


def reason(adapter: Adapter, cause: TransportError) -> str:
    """The same for the book."""
    return type(cause).__name__.lower() if adapter.hidden_url else str(cause)


class Answer:
    """One answer whose head is here. `reply` may wait for an error's body; leaving it unread is `incoming.close`."""

    def __init__(self, incoming: Incoming, adapter: Adapter, attempt: Attempt, until_s: float, clock: Clock) -> None:
        self._incoming = incoming
        self._adapter = adapter
        self._attempt = attempt
        self._until_s = until_s
        self._clock = clock
        self._taken = 0

    async def reply(self) -> Reply:
        """Raises `TransportError` while an error's body comes, `UpstreamFailed` for an answer over the cap."""
        incoming, status = self._incoming, self._incoming.status
        headers = returned(incoming.headers, status, self._adapter)
        length = header(headers, b"content-length")
        if length is not None and length.isdigit() and int(length) > self._adapter.max_response_bytes:
            raise self._too_large()
        if status >= 400:
            return await self._error(headers)
        events = (header(incoming.headers, b"content-type") or b"").lower().startswith(b"text/event-stream")
        if events and header(headers, b"content-encoding") is None:
            headers = [item for item in headers if item[0] not in (b"cache-control", b"content-length")]
            return Reply(status, headers, self._events(), streamed=True)
        return Reply(status, headers, self._bytes())

    async def _error(self, headers: list[Header]) -> Reply:
        held = bytearray()
        while len(held) <= ERROR_BYTES and (piece := await self._read()):
            held += piece
        self._attempt.state = AttemptState.FAILED
        secrets = [value for secret in self._adapter.secrets if len(value := secret.reveal()) >= LEAST_SECRET_BYTES]
        readable = plain(bytes(held[:ERROR_BYTES]), header(headers, b"content-encoding"), ERROR_BYTES)
        # What cannot be looked through could hold anything that was sent.
        body = UNREADABLE if readable is None else _cut(readable, secrets)
        clean = [(name, _cut(value, secrets)) for name, value in headers if name not in _OF_THE_BYTES]
        # Whatever the adapter's `retries` allow has been done by now (R21).
        clean += [(b"content-length", b"%d" % len(body)), (b"x-should-retry", b"false")]
        return Reply(self._incoming.status, clean, _one(body), whole=True)

    async def _bytes(self) -> AsyncIterator[bytes]:
        while piece := await self._next():
            yield piece
        self._attempt.state = AttemptState.DONE

    async def _events(self) -> AsyncIterator[bytes]:
        splitter = Splitter()
        while piece := await self._next():
            try:
                whole = splitter.feed(piece)
            except EventTooLarge as cause:
                raise UpstreamFailed("The API sent an event that is too large to pass on.") from cause
            if whole:
                yield whole[0] if len(whole) == 1 else b"".join(whole)
        self._attempt.state = AttemptState.DONE
        if rest := splitter.rest:
            yield rest

    async def _next(self) -> bytes:
        """The next piece, or `b""` at the end; the transport's errors as ours."""
        try:
            piece = await self._read()
        except TransportError as cause:
            self._attempt.state = AttemptState.AMBIGUOUS
            self._attempt.reason = reason(self._adapter, cause)
            raise failure(self._adapter, cause) from cause
        self._taken += len(piece)
        if self._taken > self._adapter.max_response_bytes:
            self._attempt.state = AttemptState.AMBIGUOUS
            self._attempt.reason = "the answer was larger than maxResponseBytes"
            raise self._too_large()
        return piece

    async def _read(self) -> bytes:
        idle_s = self._adapter.timeouts.idle_s
        left_s = self._until_s - self._clock.monotonic()
        return await self._incoming.read(max(0.001, min(idle_s, left_s)))

    def _too_large(self) -> UpstreamFailed:
        most = self._adapter.max_response_bytes
        return UpstreamFailed(f"The answer is larger than {most:,} bytes, the most that adapter {self._adapter.name} brings back.")


def returned(headers: Headers, status: int, adapter: Adapter) -> list[Header]:
    """The upstream's headers that go back: the relay's table, what any API needs, and what the adapter names."""
    kept = back(headers, status, unchanged=True)  # checks every name and value
    named: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            named |= {token.strip().lower() for token in value.split(b",")}
    known = {name for name, _ in kept}
    wanted = (ALSO_RETURN.keys() | adapter.return_headers) - named - known
    return [*kept, *[(name, value) for name, value in headers if name in wanted], *SHIELD]


def _cut(data: bytes, secrets: list[bytes]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, MASK)
    return scrub(data)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body

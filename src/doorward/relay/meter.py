"""Bytes pass, usage is tapped, cost is set.

What the upstream says counts. Where it says nothing (a stream that was cut, an answer without
usage, sound) what was delivered is counted, its input too, and the amount is tagged so: at least
what was delivered, at most what was held, never 0 (I7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from doorward.core.clock import Clock
from doorward.core.exchange import Exchange, Reply, header
from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.settlement import BYTES_PER_TOKEN, Prices, price_list
from doorward.providers.tokens import Count, count_input, count_text
from doorward.relay.answer import Once
from doorward.relay.event_stream import EventStream
from doorward.relay.usage_tap import AnswerListener, Listener, SizeListener, StreamListener
from doorward.wire import units
from doorward.wire.endpoints import Endpoint
from doorward.wire.usage import Heard

_ASKED_FOR_USAGE = frozenset({"chat", "completion"})
"""Kinds whose streams carry usage because `relay.attempt` asks for it."""
_WRITTEN = frozenset({"chat", "completion", "responses"})
_READ = frozenset({"chat", "completion", "responses", "embedding", "image", "speech"})
HEAD_BYTES = 256 * 1024
"""Of an upload, what is looked at for form fields and a recording's header."""


class Meter:
    def __init__(self, prices: Prices, clock: Clock) -> None:
        self._prices = prices
        self._clock = clock

    def through(self, reply: Reply, entry: Entry, attempt: Attempt, endpoint: Endpoint) -> Reply:
        """The same reply, listened to. An error answer is not billed; a free endpoint costs 0, and is known to."""
        if reply.status >= 300:
            return reply
        if endpoint.bills == "free":
            attempt.usage, attempt.cost, attempt.price_version = Usage(), Nanos(0), "free"
            return reply
        exchange, chunks = entry.exchange, reply.chunks
        listener: Listener
        if reply.streamed:
            hides = endpoint.kind in _ASKED_FOR_USAGE and not exchange.asks.include_usage
            listener = StreamListener(endpoint.kind, hides_usage=hides)
        elif b"json" in (header(reply.headers, b"content-type") or b""):
            listener = AnswerListener(endpoint.kind)
        else:
            listener = SizeListener()
        metered = Metered(chunks, listener, self, entry, attempt, endpoint.kind)
        if isinstance(chunks, Once):
            metered.has(chunks.body)  # it is here: its price is known before its first byte goes on
        elif isinstance(chunks, EventStream):
            chunks.tap = metered  # it reads each event already, and says what it heard
        else:
            reply.chunks = metered
        if not metered.finished:
            entry.taps.append(metered)
        return reply

    def price(self, entry: Entry, attempt: Attempt, kind: str, usage: Usage) -> None:
        """Set an attempt's usage and cost. What we counted is never charged above what was held for it."""
        model = attempt.model or entry.exchange.asks.model or ""
        priced = self._prices.cost(price_list(entry, attempt.provider_id), model, kind, usage)
        attempt.usage = usage
        attempt.price_version = priced.version
        if priced.nanos is None:
            attempt.cost = None
            entry.note("price", attempt=attempt.number, known=False, why=priced.why)
            return
        held = attempt.held if attempt.held is not None else entry.held
        counted = usage.source is not Source.UPSTREAM
        attempt.cost = Nanos(min(priced.nanos, held) if counted and held is not None else priced.nanos)

    def now_s(self) -> float:
        return self._clock.monotonic()


class Metered:
    """The tap on one answer, and where nobody reads its events for us, its chunks. Iterated once."""

    __slots__ = ("_attempt", "_chunks", "_entry", "_kind", "_listener", "_meter", "_over", "finished")

    def __init__(
        self, chunks: AsyncIterator[bytes], listener: Listener, meter: Meter, entry: Entry, attempt: Attempt, kind: str
    ) -> None:
        self.finished = False
        self._chunks = chunks
        self._listener = listener
        self._meter = meter
        self._entry = entry
        self._attempt = attempt
        self._kind = kind
        self._over = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            if self._over:
                raise StopAsyncIteration
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._over = True
                rest = self._listener.rest()
                self._complete()
                if not rest:
                    raise
                return rest
            passed = self._listener.saw(chunk)
            if self._listener.final and self._listener.usage is not self._attempt.usage:
                self._said()
            if passed:
                if self._entry.first_byte_s is None:
                    self._entry.first_byte_s = self._meter.now_s()
                return passed

    def has(self, body: bytes) -> None:
        """The whole answer, where it has come already."""
        self._over = True
        self._listener.saw(body)
        self._complete()
        if body:
            self._entry.first_byte_s = self._meter.now_s()

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()

    def heard(self, said: Heard) -> bool:
        """`event_stream.Tap`."""
        passes = not self._listener.hears(said)
        if said.usage is not None and self._listener.final:
            self._said()
        if passes and self._entry.first_byte_s is None:
            self._entry.first_byte_s = self._meter.now_s()
        return passes

    def ended(self) -> None:
        """`event_stream.Tap`."""
        self._over = True

    def _complete(self) -> None:
        if isinstance(self._listener, AnswerListener):
            self._listener.complete()
        if self._listener.final and self._listener.usage is not self._attempt.usage:
            self._said()

    def _said(self) -> None:
        """The upstream has said its usage. A stream may still say more: the last word counts."""
        usage = self._listener.usage
        if usage is None:
            return
        if self._kind == "image":
            usage.images = usage.images or self._entry.exchange.asks.n
        self._meter.price(self._entry, self._attempt, self._kind, usage)
        self.finished = True

    async def finish(self) -> None:
        """Count what the upstream did not say. Idempotent; waits for a thread where a tokenizer is needed."""
        if self.finished:
            return
        usage, why = await self._counted()
        if not self._attempt.reason:
            self._attempt.reason = why
        self._meter.price(self._entry, self._attempt, self._kind, usage)
        self.finished = True

    async def _counted(self) -> tuple[Usage, str]:
        entry, listener = self._entry, self._listener
        text, beyond = listener.delivered()
        model = self._attempt.model or entry.exchange.asks.model or ""
        body = await _json_body(entry.exchange)
        usage = units.of_request(self._kind, body or {}, entry.exchange.asks.n)
        read, wrote = await asyncio.to_thread(_count, self._kind, body, entry.exchange.body.size, text, model)
        exact = read.exact and wrote.exact and not beyond
        usage.input_tokens = read.tokens
        if self._kind in _WRITTEN:
            usage.output_tokens = wrote.tokens + -(-beyond // BYTES_PER_TOKEN)
        elif self._kind == "speech":
            usage.output_tokens = usage.output_audio_tokens = units.spoken_tokens((body or {}).get("response_format"), beyond)
            exact = True  # by characters it is exact; where tokens are billed `beyond` made it an estimate
        elif self._kind == "transcript":
            exact = await self._recording(usage)
        elif self._kind == "image":
            await self._drawing(usage)
            exact = True
        if listener.usage is not None:
            # said in passing, before the stream was cut: more is known than the text shows
            usage.input_tokens = max(usage.input_tokens, listener.usage.input_tokens)
            usage.output_tokens = max(usage.output_tokens, listener.usage.output_tokens)
        usage.source = Source.COUNTED if exact else Source.ESTIMATED
        return usage, self._why()

    def _why(self) -> str:
        if self._attempt.state is AttemptState.DONE and self._over:
            return "the answer says no usage"
        if self._entry.exchange.gone.happened:
            return "the client left before the answer's usage came"
        return "the answer was cut before its usage came"

    async def _recording(self, usage: Usage) -> bool:
        """Seconds of an upload whose answer does not say them -> whether they were measured."""
        head = await _head(self._entry.exchange)
        usage.seconds, measured = units.audio_seconds(head, self._entry.exchange.body.size)
        usage.input_tokens = 0
        return measured

    async def _drawing(self, usage: Usage) -> None:
        if usage.image_size is None:
            fields = units.form_fields(await _head(self._entry.exchange))
            usage.image_size, usage.image_quality = fields.get("size"), fields.get("quality")
        usage.images = self._entry.exchange.asks.n


def _count(kind: str, body: dict[str, object] | None, size: int, text: str, model: str) -> tuple[Count, Count]:
    if kind not in _READ:
        read = Count(0, True)
    elif body is None:
        read = Count(-(-size // BYTES_PER_TOKEN), False)
    else:
        read = count_input(kind, body, model)
    return read, count_text(text, model)


async def _json_body(exchange: Exchange) -> dict[str, object] | None:
    """The request, if it is JSON that is in memory; a spooled one is too large to be worth counting."""
    data = exchange.body.data
    if not data:
        return None
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


async def _head(exchange: Exchange) -> bytes:
    if exchange.body.data is not None:
        return exchange.body.data
    head = b""
    async for chunk in exchange.body.chunks():
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    return head

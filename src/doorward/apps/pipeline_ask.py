"""The port in-process: each call is a call of the relay's, with custody, limits, cache, budgets and a ledger row of its own."""

from __future__ import annotations

import binascii
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from doorward.apps.adapter_calls import DOOR, AdapterCalls, Fetched
from doorward.apps.ask import Ask, Body, Event, Spent
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import BadRequest, DoorwardError, LimitExceeded, NotFound, Unavailable, UpstreamFailed, UpstreamLost
from doorward.core.exchange import EMPTY, Asks, Exchange, Gone, Header, MemoryBody, Reply, header
from doorward.core.usage import Usage
from doorward.providers.prices import Prices, price_list_of
from doorward.relay.pipeline import Pipeline
from doorward.upstream.classify import retry_after_s
from doorward.wire import envelope
from doorward.wire.endpoints import Endpoint, match
from doorward.wire.openai import read_asks
from doorward.wire.sse import Splitter, data_of, is_done
from doorward.wire.usage import of_object

CHAT, EMBEDDINGS, MODERATIONS = "/v1/chat/completions", "/v1/embeddings", "/v1/moderations"
_MAX_ANSWER_BYTES = 64 * 2**20


@dataclass(slots=True)
class PipelineAsk:
    """`request_id` is the client call's; its first upstream call bears it, later ones `<id>.2`, `<id>.3` …"""

    pipeline: Pipeline
    prices: Prices
    caller: Caller
    request_id: str
    clock: Clock
    peer: str = ""
    gone: Gone = field(default_factory=Gone)
    tags: bytes = b""
    """The client's own `x-doorward-tags`."""
    adapter_calls: AdapterCalls | None = None
    spent: Spent = field(default_factory=Spent)
    call_id: str = ""
    _calls: int = 0
    _facts: list[str] = field(default_factory=list)

    async def chat(self, body: Body, *, app: str) -> Body:
        return await self._whole(CHAT, {**body, "stream": False}, app)

    @asynccontextmanager
    async def stream(self, body: Body, *, app: str) -> AsyncIterator[AsyncIterator[Event]]:
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        exchange, endpoint = self._exchange(CHAT, body, app)
        async with self.pipeline.open(exchange, self.caller, endpoint, {}) as reply:
            if reply.status >= 400 or not reply.streamed:
                raise refused(reply, await _read(reply), self.clock.wall())
            yield self._events(reply, body["model"])

    async def embed(self, texts: Sequence[str], model: str, *, app: str) -> list[Sequence[float]]:
        answer = await self._whole(EMBEDDINGS, {"model": model, "input": list(texts), "encoding_format": "base64"}, app)
        return vectors_of(answer, len(texts))

    async def moderate(self, text: str, model: str, *, app: str) -> dict[str, bool]:
        answer = await self._whole(MODERATIONS, {"model": model, "input": text}, app)
        return flags_of(answer)

    def price(self, model: str, input_tokens: int, output_tokens: int) -> int | None:
        exchange, endpoint = self._exchange(CHAT, {"model": model, "messages": []}, "price", counts=False)
        provider = self.pipeline.router.resolve(exchange, self.caller, endpoint).first.provider
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return self.prices.cost(price_list_of(provider), model, "chat", usage).nanos

    def adapters(self) -> dict[str, list[str]]:
        return {} if self.adapter_calls is None else self.adapter_calls.usable(self.caller)

    async def fetch(self, adapter: str, method: str, path: str, body: str, most_bytes: int, *, app: str, priced: bool) -> Fetched:
        if self.adapter_calls is None:
            raise NotFound("There are no adapters here.", code="adapter_not_found")
        data = body.encode("utf-8", "replace")
        aim = self.adapter_calls.aim(self.caller, adapter, method, path, len(data), priced=priced)
        asks = read_asks(data) if data and aim.metering.reads_body else Asks()
        request_id, headers, now = self._next_id(), self._headers(app), self.clock.monotonic()
        sent = MemoryBody(data) if data else EMPTY
        exchange = Exchange(request_id, method, DOOR + adapter, b"", headers, sent, asks, self.peer, now, self.gone)
        found = await self.adapter_calls.fetch(aim, exchange, self.caller, most_bytes)
        taken, given = found.tokens
        self.spent.add({"prompt_tokens": taken, "completion_tokens": given}, found.nanos)
        return found

    def note(self, fact: str) -> None:
        if fact not in self._facts:
            self._facts.append(fact)

    async def _whole(self, path: str, body: Body, app: str) -> Body:
        exchange, endpoint = self._exchange(path, body, app)
        async with self.pipeline.open(exchange, self.caller, endpoint, {}) as reply:
            content = await _read(reply)
        if reply.status >= 400:
            raise refused(reply, content, self.clock.wall())
        answer = _object(content)
        if answer is None:
            raise UpstreamFailed("The model's answer is no JSON object.", code="unreadable_answer")
        self._add(answer, str(body.get("model", "")))
        return answer

    async def _events(self, reply: Reply, model: str) -> AsyncIterator[Event]:
        splitter, is_whole = Splitter(), False
        async for chunk in reply.chunks:
            for raw in splitter.feed(chunk):
                if is_done(raw):
                    # The reply is read to its own end, a moment later: left now, it would be booked as cut.
                    is_whole = True
                    continue
                data = data_of(raw)
                event = _object(data) if data is not None else None
                if event is None:
                    continue
                if isinstance(event.get("error"), dict):
                    raise said(event["error"])
                if isinstance(event.get("usage"), dict):
                    self._add(event, model)
                yield event
        if not is_whole:
            raise UpstreamLost("The answer broke off before its end.")

    def _add(self, answer: Body, model: str) -> None:
        used = of_object(answer, "chat")
        nanos = self.price(model, used.input_tokens, used.output_tokens) if used is not None and model else 0
        self.spent.add(answer.get("usage"), nanos)

    def _exchange(self, path: str, body: Body, app: str, *, counts: bool = True) -> tuple[Exchange, Endpoint]:
        endpoint = match("POST", path).endpoint
        assert endpoint is not None
        try:
            data = msgspec.json.encode(body)
        except UnicodeEncodeError:
            raise BadRequest("The text holds half a surrogate pair: send valid Unicode.") from None
        request_id = self.request_id
        if counts:
            request_id = self.call_id = self._next_id()
        headers, now = self._headers(app), self.clock.monotonic()
        return Exchange(
            request_id, "POST", path, b"", headers, MemoryBody(data), read_asks(data), self.peer, now, self.gone
        ), endpoint

    def _next_id(self) -> str:
        self._calls += 1
        return self.request_id if self._calls == 1 else f"{self.request_id}.{self._calls}"

    def _headers(self, app: str) -> list[Header]:
        tags = b",".join([f"app:{app}".encode(), *(fact.encode() for fact in self._facts), *([self.tags] if self.tags else [])])
        return [(b"content-type", b"application/json"), (b"x-doorward-tags", tags)]


def refused(reply: Reply, content: bytes, now_s: float) -> DoorwardError:
    """An upstream's error as one of ours, with its own status, code, waiting time and word on trying again (R21)."""
    told = envelope.read_upstream(content)
    message = told.message or f"The model's provider answered {reply.status}."
    kind: type[DoorwardError] = BadRequest
    if reply.status == 429:
        kind = LimitExceeded
    elif reply.status >= 500 or reply.status < 400:
        kind = UpstreamFailed
    is_final = header(reply.headers, b"x-should-retry") == b"false"
    error = kind(message, param=told.param, code=told.code, retry_after_s=retry_after_s(reply.headers, now_s), is_final=is_final)
    if reply.status >= 400:
        error.status = reply.status
    if told.type:
        error.type = told.type
    return error


def said(shape: dict[str, Any]) -> DoorwardError:
    """The one error event that ends a broken stream."""
    code = shape.get("code")
    kind = Unavailable if code == "unavailable" else UpstreamFailed
    return kind(str(shape.get("message") or "The answer broke off."), code=code if isinstance(code, str) else None)


def vectors_of(answer: Body, wanted: int) -> list[Sequence[float]]:
    """Embeddings in the order of their texts, whichever way they are written. Raises `UpstreamFailed`."""
    found: dict[int, Sequence[float]] = {}
    data = answer.get("data")
    for at, row in enumerate(data if isinstance(data, list) else []):
        value = row.get("embedding") if isinstance(row, dict) else None
        if isinstance(value, str):
            value = _unpacked(value)
        if isinstance(value, list | array) and value:
            found[row.get("index", at)] = value
    if sorted(found) != list(range(wanted)):
        raise UpstreamFailed(f"The model answered {len(found)} vectors for {wanted} texts.", code="unreadable_answer")
    return [found[at] for at in range(wanted)]


def _unpacked(packed: str) -> Sequence[float]:
    """float32 in base64. Strict, which is four times as fast: no sign outside the alphabet is skipped."""
    try:
        return array("f", binascii.a2b_base64(packed, strict_mode=True))
    except ValueError:
        raise UpstreamFailed("The model's answer has a vector that is no base64.", code="unreadable_answer") from None


def flags_of(answer: Body) -> dict[str, bool]:
    results = answer.get("results")
    first = results[0] if isinstance(results, list) and results and isinstance(results[0], dict) else {}
    categories = first.get("categories")
    if not isinstance(categories, dict):
        raise UpstreamFailed("The moderation endpoint's answer has no categories.", code="unreadable_answer")
    return {str(name): flagged is True for name, flagged in categories.items()}


async def _read(reply: Reply) -> bytes:
    content = bytearray()
    async for chunk in reply.chunks:
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            raise UpstreamFailed("The model's answer is too large.", code="answer_too_large")
    return bytes(content)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_: type[Ask] = PipelineAsk

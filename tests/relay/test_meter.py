"""Every kind of answer, in every chunking, cut at every event: the bytes pass, and the cost is what was used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.caller import OPERATOR, Caller
from doorward.core.clock import SystemClock
from doorward.core.errors import UpstreamLost
from doorward.core.exchange import Asks, Exchange, MemoryBody, Reply
from doorward.core.money import Nanos
from doorward.core.usage import Source
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.prices import Prices
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, Route
from doorward.relay.meter import Meter
from doorward.wire.endpoints import match

PRICES = Prices.load()
PATHS = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "responses": "/v1/responses",
    "embedding": "/v1/embeddings",
    "image": "/v1/images/generations",
    "speech": "/v1/audio/speech",
    "transcript": "/v1/audio/transcriptions",
    "moderation": "/v1/moderations",
}
REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello to the world, please."}]}


class Call:
    """One attempt, its answer given in chunks."""

    def __init__(
        self,
        kind: str = "chat",
        *,
        model: str = "gpt-4o-mini",
        request: Any = REQUEST,
        streamed: bool = False,
        content_type: bytes = b"application/json",
        include_usage: bool = False,
        n: int = 1,
        status: int = 200,
        held: int | None = None,
    ) -> None:
        endpoint = match("POST", PATHS[kind]).endpoint
        assert endpoint is not None
        self.endpoint = endpoint
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        asks = Asks(model, streamed, include_usage, n)
        caller = Caller("user:1", frozenset({OPERATOR}), frozenset({"call"}))
        exchange = Exchange("req_1", "POST", PATHS[kind], b"", [], MemoryBody(body), asks, "127.0.0.1", 0.0)
        self.attempt = Attempt(1, "openai", "acc", model, 0.0, AttemptState.FIRST_EVENT, status)
        self.attempt.held = None if held is None else Nanos(held)
        provider = Provider("openai", "OpenAI", "https://api.openai.com")
        self.entry = Entry("req_1", caller, exchange, endpoint.template, 0.0, 0.0, attempts=[self.attempt])
        self.entry.route = Route(model, (Plan(provider, None, model),))
        self.streamed = streamed
        self.content_type = b"text/event-stream" if streamed else content_type

    async def through(self, chunks: Sequence[bytes], *, cut: BaseException | None = None, leave_after: int | None = None) -> bytes:
        """What the client got. `cut`: the upstream ends so; `leave_after`: the client goes after so many chunks."""

        async def come() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk
            if cut is not None:
                self.attempt.state = AttemptState.AMBIGUOUS
                raise cut
            self.attempt.state = AttemptState.DONE

        status = self.attempt.status or 200
        reply = Reply(status, [(b"content-type", self.content_type)], come(), self.streamed)
        metered = Meter(PRICES, SystemClock()).through(reply, self.entry, self.attempt, self.endpoint)
        got = []
        try:
            async for chunk in metered.chunks:
                got.append(chunk)
                if leave_after is not None and len(got) >= leave_after:
                    self.entry.exchange.gone.happen()
                    break
        except UpstreamLost:
            pass
        await self.entry.metered()
        return b"".join(got)


def events(*items: Any) -> bytes:
    return b"".join(b"data: " + (item if isinstance(item, bytes) else json.dumps(item).encode()) + b"\n\n" for item in items)


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], "usage": None}


USAGE = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
WORDS = [delta("Hello"), delta(" wor"), delta("ld"), delta("!"), delta("", "stop")]
STREAM = events(*WORDS, {"choices": [], "usage": USAGE}, b"[DONE]")
HIDDEN = events(*WORDS, b"[DONE]")
COST = 12 * 150 + 4 * 600
"""gpt-4o-mini: $0.15 and $0.60 a million tokens, in nano-dollars."""


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    at = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in zip(at, at[1:], strict=False) if a != b]


chunkings = st.lists(st.integers(0, 10**6), max_size=8)


@given(chunkings, st.booleans())
@settings(max_examples=60, deadline=None)
async def test_a_stream_passes_in_any_chunking_but_for_the_chunk_nobody_asked_for(cuts: list[int], asked: bool) -> None:
    call = Call(streamed=True, include_usage=asked)
    assert await call.through(pieces(STREAM, cuts)) == (STREAM if asked else HIDDEN)
    assert call.attempt.cost == COST
    assert call.attempt.usage is not None
    assert call.attempt.usage.source is Source.UPSTREAM


@given(chunkings)
@settings(max_examples=40, deadline=None)
async def test_a_stream_that_is_no_stream_of_ours_passes_untouched(cuts: list[int]) -> None:
    odd = b": comment\r\n\r\nevent: x\rdata: {not json}\r\rdata: \xff\xfe\n\ndata: [1,2]\n\nunfinished"
    call = Call(streamed=True)
    assert await call.through(pieces(odd, cuts)) == odd


@given(chunkings)
@settings(max_examples=40, deadline=None)
async def test_a_whole_answer_passes_in_any_chunking(cuts: list[int]) -> None:
    data = json.dumps({"choices": [{"message": {"content": "Hello world!"}}], "usage": USAGE}).encode()
    call = Call()
    assert await call.through(pieces(data, cuts)) == data
    assert call.attempt.cost == COST


ANSWERS: list[tuple[str, str, Any, bytes, bytes, Source, bool]] = [
    (
        "completion",
        "gpt-3.5-turbo-instruct",
        {"prompt": "Hi"},
        b"application/json",
        json.dumps({"usage": USAGE}).encode(),
        Source.UPSTREAM,
        True,
    ),
    (
        "embedding",
        "text-embedding-3-small",
        {"input": "Hi"},
        b"application/json",
        b'{"data":[],"usage":{"prompt_tokens":9}}',
        Source.UPSTREAM,
        True,
    ),
    ("embedding", "text-embedding-3-small", {"input": "Hi there"}, b"application/json", b'{"data":[]}', Source.COUNTED, True),
    (
        "image",
        "dall-e-3",
        {"prompt": "a", "size": "1024x1024"},
        b"application/json",
        b'{"data":[{"url":"u"}]}',
        Source.COUNTED,
        True,
    ),
    ("speech", "tts-1", {"input": "Hello", "voice": "alloy"}, b"audio/mpeg", b"\xff\xfb" * 100, Source.COUNTED, True),
    (
        "transcript",
        "whisper-1",
        b"--b",
        b"application/json",
        b'{"text":"a","usage":{"type":"duration","seconds":3}}',
        Source.UPSTREAM,
        True,
    ),
    ("transcript", "whisper-1", b"--b" + bytes(16000), b"text/plain", b"a", Source.ESTIMATED, True),
    (
        "responses",
        "gpt-4o-mini",
        {"input": "Hi"},
        b"application/json",
        b'{"usage":{"input_tokens":3,"output_tokens":2}}',
        Source.UPSTREAM,
        True,
    ),
    (
        "responses",
        "no-such-model",
        {"input": "Hi"},
        b"application/json",
        b'{"usage":{"input_tokens":3,"output_tokens":2}}',
        Source.UPSTREAM,
        False,
    ),
]


@pytest.mark.parametrize(("kind", "model", "request_", "content_type", "answer", "source", "known"), ANSWERS)
async def test_every_kind_of_answer_is_priced_or_unknown(
    kind: str, model: str, request_: Any, content_type: bytes, answer: bytes, source: Source, known: bool
) -> None:
    call = Call(kind, model=model, request=request_, content_type=content_type)
    assert await call.through(pieces(answer, [3, 7])) == answer
    assert call.attempt.usage is not None
    assert call.attempt.usage.source is source
    assert (call.attempt.cost is not None) == known
    assert call.attempt.cost != 0
    assert call.attempt.price_version


async def test_what_is_free_costs_0_and_an_error_is_not_billed() -> None:
    free = Call("moderation", model="omni-moderation-latest", request={"input": "x"})
    await free.through([b'{"results":[]}'])
    assert free.entry.cost == 0
    refused = Call(status=429)
    assert await refused.through([b'{"error":{}}']) == b'{"error":{}}'
    assert refused.attempt.usage is None
    assert refused.entry.cost == 0


@pytest.mark.parametrize("how", ["the client leaves", "the upstream is lost"])
async def test_a_stream_cut_at_every_event_costs_what_was_delivered_at_least(how: str) -> None:
    """I7: at least what was delivered, at most what was held, never 0; and more text never costs less."""
    held = 50_000
    chunks = [events(item) for item in WORDS]
    before = 0
    for after in range(1, len(chunks) + 1):
        call = Call(streamed=True, held=held)
        if how == "the client leaves":
            await call.through([*chunks, events({"choices": [], "usage": USAGE})], leave_after=after)
        else:
            await call.through(chunks[:after], cut=UpstreamLost("gone"))
        usage, cost = call.attempt.usage, call.attempt.cost
        assert usage is not None
        assert cost is not None
        assert usage.source is Source.COUNTED
        assert usage.input_tokens >= 7
        # "Hello", " wor", "ld", "!" are a token each, or fewer when joined
        assert 1 <= usage.output_tokens <= min(after, 4)
        assert 0 < before <= cost <= held or before == 0
        assert call.attempt.reason
        before = cost


async def test_a_cut_stream_is_never_charged_above_its_hold() -> None:
    call = Call(streamed=True, held=7)
    await call.through([events(delta("Hello " * 500))], cut=UpstreamLost("gone"))
    assert call.attempt.cost == 7


async def test_usage_that_came_before_the_cut_is_the_providers() -> None:
    call = Call(streamed=True, held=10**9)
    await call.through([events(*WORDS), events({"choices": [], "usage": USAGE})], cut=UpstreamLost("gone"))
    assert call.attempt.cost == COST
    assert call.attempt.usage is not None
    assert call.attempt.usage.source is Source.UPSTREAM


async def test_usage_said_in_passing_is_a_lower_bound() -> None:
    chunk = delta("Hi") | {"usage": {"prompt_tokens": 500, "completion_tokens": 90}}
    call = Call(streamed=True)
    await call.through([events(chunk)], cut=UpstreamLost("gone"))
    assert call.attempt.usage is not None
    assert (call.attempt.usage.input_tokens, call.attempt.usage.output_tokens) == (500, 90)
    assert call.attempt.usage.source is not Source.UPSTREAM


async def test_a_stream_without_usage_is_counted() -> None:
    call = Call(streamed=True)
    await call.through([events(*WORDS, b"[DONE]")])
    assert call.attempt.usage is not None
    assert call.attempt.usage.source is Source.COUNTED
    assert "no usage" in call.attempt.reason
    assert call.attempt.cost


async def test_cached_tokens_cost_less() -> None:
    usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 8}}
    call = Call()
    await call.through([json.dumps({"choices": [], "usage": usage}).encode()])
    assert call.attempt.cost == 4 * 150 + 8 * 75 + 4 * 600


async def test_an_answer_of_many_megabytes_is_read_at_its_end() -> None:
    vector = json.dumps({"embedding": [0.123456789] * 1000}).encode()
    data = b'{"data":[' + b",".join([vector] * 300) + b'],"usage":{"prompt_tokens":77,"total_tokens":77}}'
    assert len(data) > 3_000_000
    call = Call("embedding", model="text-embedding-3-small", request={"input": "x"})
    assert await call.through([data[at : at + 65_536] for at in range(0, len(data), 65_536)]) == data
    assert call.attempt.usage is not None
    assert call.attempt.usage.input_tokens == 77


async def test_finishing_twice_counts_once() -> None:
    call = Call(streamed=True)
    await call.through([events(delta("Hi"))], cut=UpstreamLost("gone"))
    first = call.attempt.usage
    await asyncio.gather(*(tap.finish() for tap in call.entry.taps))
    assert call.attempt.usage is first


async def test_an_answer_that_is_no_json_is_paid_for_by_its_bytes() -> None:
    """An upstream that broke its answer has billed it all the same."""
    data = json.dumps({"choices": [{"message": {"content": "Hello world! " * 20}}], "usage": USAGE}).encode()
    call = Call(held=10**9)
    assert await call.through([data[: len(data) // 2]]) == data[: len(data) // 2]
    usage = call.attempt.usage
    assert usage is not None
    assert usage.source is Source.ESTIMATED
    assert usage.output_tokens >= len(data) // 2 // 4
    assert call.attempt.reason

"""What the healthy path pays for trips, health, failover, gate and rescue: microseconds a call, against the bare sender.

    python -m benchmarks rescue

Issue 5 asks for <= 12 µs. The upstream is in memory: one JSON answer of 600 bytes, or a stream of 20 events; both sides
build the request, read the answer whole, and filter its headers. The two are measured in turns, so that a busy machine
slows both, and on uvloop, as the server runs.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import uvloop

from doorward.core.caller import Caller
from doorward.core.clock import SystemClock
from doorward.core.exchange import Asks, Exchange, Header, MemoryBody
from doorward.edge.server import GC_THRESHOLDS
from doorward.ledger.entry import Attempt, Entry
from doorward.providers.model_facts import ModelFacts
from doorward.providers.prices import Prices
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, Route
from doorward.relay.account_limits import AccountLimits
from doorward.relay.answer import reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.failover import Failover
from doorward.relay.late import Deadline
from doorward.relay.limits import Limits
from doorward.relay.meter import Meter
from doorward.shared.memory import MemoryCounters
from doorward.upstream.credentials import Credentials
from doorward.upstream.health import Health
from doorward.upstream.port import Outgoing
from doorward.wire.endpoints import match

ROUNDS, CALLS = 30, 300
AIM_US = 12.0
BODY = b'{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":"' + b"x" * 520 + b'"}}]}'
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
FINISH = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
STREAM = [*[EVENT] * 20, FINISH, b"data: [DONE]\n\n"]


class Answer:
    def __init__(self, streamed: bool) -> None:
        self.status = 200
        kind = b"text/event-stream" if streamed else b"application/json"
        self.headers: list[Header] = [(b"content-type", kind), (b"x-request-id", b"req_1"), (b"date", b"now")]
        self._left = [*(STREAM if streamed else [BODY]), b""][::-1]

    async def read(self, within_s: float) -> bytes:
        return self._left.pop()

    def close(self) -> None:
        return None


class InMemory:
    def __init__(self) -> None:
        self.streamed = False

    async def open(self, outgoing: Outgoing) -> Any:
        if outgoing.sent is not None:
            outgoing.sent()
        return Answer(self.streamed)

    async def close(self) -> None:
        return None


class Bench:
    def __init__(self) -> None:
        clock = SystemClock()
        self.clock, self.transport = clock, InMemory()
        self.sender = Sender({"https": self.transport}, Credentials(None), clock)  # type: ignore[arg-type]  # no key is needed
        health = Health(clock)
        limits = AccountLimits(Limits(MemoryCounters(clock), dict))
        facts = ModelFacts.load()
        self.failover = Failover(self.sender, Balance(health), health, Meter(Prices.load(), clock), facts, clock, limits)
        found = match("POST", "/v1/chat/completions").endpoint
        assert found is not None
        self.endpoint = replace(found, bills="free")  # metering is another benchmark's
        provider = Provider("p", "p", "https://p.example", auth_strategy="none")
        self.plan, self.other = Plan(provider, None, "m"), Plan(provider, None, "n")
        self.caller = Caller("key:x", frozenset(), frozenset({"call"}), key_id="x")

    def exchange(self, stream: bool) -> Exchange:
        asks = Asks(model="m", stream=stream, include_usage=True)
        body = MemoryBody(b'{"model":"m","messages":[]}')
        headers: list[Header] = [(b"content-type", b"application/json"), (b"accept", b"*/*"), (b"user-agent", b"bench")]
        return Exchange("req_12345678", "POST", "/v1/chat/completions", b"", headers, body, asks, "", 0.0)

    async def bare(self, exchange: Exchange, route: Route) -> int:
        now_s = self.clock.monotonic()
        Entry("req_12345678", self.caller, exchange, "/v1/chat/completions", now_s, 0.0)
        attempt = Attempt(1, "p", None, "m", now_s)
        incoming = await self.sender.send(self.plan, exchange, self.endpoint, route.limits, attempt)
        deadline = Deadline(self.clock, now_s, now_s + route.limits.total_s, route.limits, exchange.asks.stream)
        reply = await reply_of(incoming, self.endpoint, attempt, deadline, 1, hold=False)
        size = 0
        async for chunk in reply.chunks:
            size += len(chunk)
        incoming.close()
        return size

    async def whole(self, exchange: Exchange, route: Route) -> int:
        entry = Entry("req_12345678", self.caller, exchange, "/v1/chat/completions", self.clock.monotonic(), 0.0)
        size = 0
        async with self.failover.open(route, exchange, self.endpoint, entry) as reply:
            async for chunk in reply.chunks:
                size += len(chunk)
        return size


async def timed(work: Callable[[Exchange, Route], Awaitable[int]], exchange: Exchange, route: Route) -> float:
    """Microseconds of this thread's CPU a call."""
    started = time.thread_time()
    for _ in range(CALLS):
        await work(exchange, route)
    return (time.thread_time() - started) / CALLS * 1e6


async def measure() -> None:
    bench = Bench()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)  # as the server does
    routes = {
        "no fallback": Route("m", (bench.plan,)),
        "with a fallback": Route("m", (bench.plan, bench.other), has_fallback=True),
        "with --rescue": Route("m", (bench.plan, bench.other), rescue=True, has_fallback=True),
    }
    print(f"{'':34}{'bare':>9}{'whole':>9}{'more':>9}   µs a call; aim: <= {AIM_US:g} more")
    for stream in (False, True):
        bench.transport.streamed = stream
        exchange = bench.exchange(stream)
        for name, route in routes.items():
            rounds = [(await timed(bench.bare, exchange, route), await timed(bench.whole, exchange, route)) for _ in range(ROUNDS)]
            bare_us, whole_us = min(bare for bare, _ in rounds), min(whole for _, whole in rounds)
            more_us = whole_us - bare_us
            kind = "stream of 22 events" if stream else "JSON"
            print(f"{kind + ', ' + name:34}{bare_us:9.1f}{whole_us:9.1f}{more_us:9.1f}")


def main() -> None:
    uvloop.run(measure())


if __name__ == "__main__":
    main()

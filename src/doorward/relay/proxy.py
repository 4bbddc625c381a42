"""An adapter's call, top to bottom: one row in the book, the caller's limits and budgets, then the upstream.

Nothing is drawn from the vault: what is sent came from the operator's file and environment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from doorward.adapters.adapter import IDEMPOTENT, Adapter
from doorward.adapters.headers import ALSO_FORWARD
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import CostUnbounded
from doorward.core.exchange import EMPTY, Body, Exchange, Header, MemoryBody, Reply
from doorward.core.money import Nanos
from doorward.core.usage import Usage
from doorward.ledger.budgets import Budgets
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.ledger import Ledger
from doorward.providers.route import Plan, Route, TimeLimits
from doorward.relay.admission import Admission
from doorward.relay.limits import Limits
from doorward.relay.meter import Meter
from doorward.relay.metering import Metering
from doorward.relay.proxy_answer import Answer, failure, reason
from doorward.upstream.classify import retry_after_s
from doorward.upstream.port import Incoming, Origin, Outgoing, Stage, Transport, TransportError
from doorward.wire import openai
from doorward.wire.headers import forward

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Complete answers after which an idempotent call may be sent once more."""
_ASKS_FOR_USAGE = frozenset({"chat", "completion"})


@dataclass(frozen=True, slots=True)
class Call:
    """One adapter call, checked. `target` was built by `adapters.target`."""

    adapter: Adapter
    target: bytes
    metering: Metering
    exchange: Exchange
    begun: Callable[[Entry], object] | None = None
    """Told of the call's entry, whose cost stands once the reply is left."""


class Proxy:
    def __init__(
        self,
        transport: Transport,
        admission: Admission,
        ledger: Ledger,
        limits: Limits,
        budgets: Budgets,
        meter: Meter,
        clock: Clock,
        *,
        allow_private: bool = False,
        retry_wait_s: float = 20.0,
    ) -> None:
        self._transport = transport
        self._admission = admission
        self._ledger = ledger
        self._limits = limits
        self._budgets = budgets
        self._meter = meter
        self._clock = clock
        self._allow_private = allow_private
        self._retry_wait_s = retry_wait_s
        self._rng = random.Random()  # noqa: S311  spreads waits, guards nothing

    @asynccontextmanager
    async def open(self, call: Call, caller: Caller) -> AsyncIterator[Reply]:
        """The reply must be read inside the block; leaving drops what was not."""
        exchange, metering = call.exchange, call.metering
        admitted = self._admission.place(caller.owner)
        async with admitted, self._ledger.entry(caller, exchange, metering.endpoint) as entry:
            if call.begun is not None:
                call.begun(entry)
            entry.note("adapter", name=call.adapter.name, method=exchange.method, api=metering.api_path)
            async with self._limits.slot(caller, exchange, entry) as slot:
                route = entry.route = _route(call)
                if metering.api_path is not None:
                    as_api = replace(exchange, path=metering.api_path)
                    async with self._budgets.hold(caller, route, as_api, entry), self._answering(call, entry) as reply:
                        yield slot.show(reply)
                    return
                self._refuse_unpriced(call, caller)
                async with self._answering(call, entry) as reply:
                    yield slot.show(reply)

    def _refuse_unpriced(self, call: Call, caller: Caller) -> None:
        if call.metering.endpoint.bills == "unknown" and self._budgets.caps_of(caller):
            raise CostUnbounded(
                f"What adapter {call.adapter.name} costs is not known, so it cannot be used with a budget."
                " If it costs nothing, its operator can say so with `prices: free`."
            )

    @asynccontextmanager
    async def _answering(self, call: Call, entry: Entry) -> AsyncIterator[Reply]:
        """Attempts until one answers; more than one only where the adapter says `retries`."""
        adapter, waited_s = call.adapter, 0.0
        repeatable = call.exchange.method in IDEMPOTENT and call.exchange.body.data is not None
        left = adapter.retries if repeatable else 0
        while True:
            attempt = self._attempt(call, entry)
            incoming: Incoming | None = None
            try:
                incoming = await self._send(call, attempt)
                wait_s = self._wait_s(call, attempt.number, incoming) if left and incoming.status in AGAIN else None
                if wait_s is None or waited_s + wait_s > self._retry_wait_s:
                    yield await self._reply(call, incoming, attempt, entry)
                    return
                attempt.state, attempt.reason = AttemptState.FAILED, f"status {incoming.status}"
            except TransportError as cause:
                sent = cause.stage is not Stage.CONNECTING
                attempt.state = AttemptState.AMBIGUOUS if sent else AttemptState.FAILED
                attempt.reason = reason(adapter, cause)
                wait_s = self._backoff_s(attempt.number)
                if sent or not left or waited_s + wait_s > self._retry_wait_s:
                    raise failure(adapter, cause) from cause
            finally:
                attempt.ended_s = self._clock.monotonic()
                if incoming is not None:
                    incoming.close()
            left -= 1
            waited_s += wait_s
            entry.note("wait", s=round(wait_s, 3), provider=adapter.name)
            await asyncio.sleep(wait_s)

    async def _send(self, call: Call, attempt: Attempt) -> Incoming:
        adapter, exchange = call.adapter, call.exchange
        url, timeouts = adapter.base_url, adapter.timeouts
        outgoing = Outgoing(
            Origin(url.scheme, url.host, url.port, adapter.allow_private or self._allow_private),
            exchange.method,
            call.target,
            _headers(adapter, exchange),
            _body(call),
            connect_s=timeouts.connect_s,
            head_s=timeouts.first_byte_s,
            write_s=timeouts.idle_s,
            sent=attempt.was_sent,
        )
        incoming = await self._transport.open(outgoing)
        attempt.state, attempt.status = AttemptState.HEADERS, incoming.status
        return incoming

    async def _reply(self, call: Call, incoming: Incoming, attempt: Attempt, entry: Entry) -> Reply:
        until_s = entry.started_s + call.adapter.timeouts.total_s
        reply = await Answer(incoming, call.adapter, attempt, until_s, self._clock).reply()
        attempt.first_event_s = self._clock.monotonic()
        if attempt.state is AttemptState.HEADERS:
            attempt.state = AttemptState.FIRST_EVENT
        if entry.first_byte_s is None:
            entry.first_byte_s = attempt.first_event_s
        if call.metering.endpoint.bills == "unknown":
            attempt.price_version = "none"  # looked up and not known, which is not 0
            attempt.usage = Usage()
            return reply
        if call.metering.endpoint.bills == "free":
            attempt.usage, attempt.cost, attempt.price_version = Usage(), Nanos(0), "free"
            return reply
        entry.model_served = attempt.model
        return self._meter.through(reply, entry, attempt, call.metering.endpoint)

    def _attempt(self, call: Call, entry: Entry) -> Attempt:
        number = len(entry.attempts) + 1
        model = call.exchange.asks.model
        attempt = Attempt(number, call.metering.provider.id, None, model, self._clock.monotonic(), AttemptState.CONNECTING)
        if call.metering.endpoint.bills == "unknown":
            attempt.usage, attempt.price_version = Usage(), "none"
        entry.begins(attempt)
        return attempt

    def _wait_s(self, call: Call, number: int, incoming: Incoming) -> float | None:
        """Before another attempt, at least what the upstream asks; `None`: it asks for more than there is."""
        asked = retry_after_s(incoming.headers, self._clock.wall())
        if asked is not None and asked > self._retry_wait_s:
            return None
        return max(asked or 0.0, self._backoff_s(number))

    def _backoff_s(self, number: int) -> float:
        return self._rng.uniform(0.0, min(8.0, 0.5 * 2.0 ** (number - 1)))


def _route(call: Call) -> Route:
    timeouts, model = call.adapter.timeouts, call.exchange.asks.model
    limits = TimeLimits(timeouts.connect_s, timeouts.first_byte_s, timeouts.first_byte_s, timeouts.idle_s, timeouts.total_s)
    plan = Plan(call.metering.provider, None, model)
    return Route(model, (plan,), limits=limits, why=f"The path names adapter {call.adapter.name}.")


def _headers(adapter: Adapter, exchange: Exchange) -> list[Header]:
    """The client's by the allow-list, the request's id, and the adapter's own, which win."""
    own = adapter.sent_headers()
    taken = {name for name, _ in own}
    kept = forward(exchange.headers)  # checks every name and value
    wanted = (ALSO_FORWARD.keys() | adapter.forward_headers) - {name for name, _ in kept} - _hop_by_hop(exchange)
    kept += [(name, value) for name, value in exchange.headers if name in wanted]
    return [*[item for item in kept if item[0] not in taken], (b"x-request-id", exchange.request_id.encode()), *own]


def _hop_by_hop(exchange: Exchange) -> set[bytes]:
    """What the client's Connection header names: for us, not for who is behind us."""
    value = exchange.header(b"connection") or b""
    return {token.strip().lower() for token in value.split(b",")}


def _body(call: Call) -> Body:
    """As it came; a stream of OpenAI's format is asked for its usage, as on `/v1`."""
    exchange, endpoint = call.exchange, call.metering.endpoint
    data = exchange.body.data
    if data and exchange.asks.stream and not exchange.asks.include_usage and endpoint.kind in _ASKS_FOR_USAGE:
        return MemoryBody(openai.with_include_usage(data))
    return exchange.body if exchange.body.size else EMPTY

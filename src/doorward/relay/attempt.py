"""One attempt: the request as this upstream gets it, sent once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from doorward.core.clock import Clock
from doorward.core.exchange import EMPTY, Body, Exchange, Header, MemoryBody
from doorward.ledger.entry import Attempt, AttemptState
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, TimeLimits
from doorward.upstream.concealed import Concealed, concealed
from doorward.upstream.credentials import Credentials
from doorward.upstream.origin import Place, place_of
from doorward.upstream.port import Outgoing, Transport
from doorward.wire import multipart, openai
from doorward.wire.endpoints import Endpoint
from doorward.wire.headers import forward

_METERED_STREAMS = frozenset({"chat", "completion"})
"""Kinds whose streams carry usage only when asked for it."""


class Sender:
    """`transports` is keyed by the base URL's scheme: ``https``, ``http``, ``simulator``."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        credentials: Credentials,
        clock: Clock,
        trace: Callable[[Exchange, int], bytes] | None = None,
    ) -> None:
        """`trace`: the `traceparent` of an attempt, where traces are made; else the client's own passes."""
        self._transports = transports
        self._credentials = credentials
        self._clock = clock
        self._trace = trace
        self._places: dict[str, tuple[Provider, Place]] = {}

    async def send(
        self,
        plan: Plan,
        exchange: Exchange,
        endpoint: Endpoint,
        limits: TimeLimits,
        attempt: Attempt,
        left_s: float = float("inf"),
    ) -> Concealed:
        """Raises the transport's errors; `attempt.state` says how far it got. `left_s`: of the whole call."""
        place = self._place(plan.provider)
        headers: list[Header] = forward(exchange.headers)
        headers.append((b"x-request-id", exchange.request_id.encode()))
        if self._trace is not None:
            headers = [item for item in headers if item[0] != b"traceparent"]
            headers.append((b"traceparent", self._trace(exchange, attempt.number)))
        asks, body = exchange.asks, exchange.body
        swapped = plan.model is not None and asks.model is not None and plan.model != asks.model
        counted = asks.stream and not asks.include_usage and endpoint.kind in _METERED_STREAMS
        if (swapped or counted) and body is not EMPTY:
            body = await self._changed(plan, exchange, swapped=swapped, counted=counted)
        secret = await self._credentials.write(plan, headers)
        attempt.state = AttemptState.CONNECTING
        target = place.base_path + exchange.path.encode()
        first_s = limits.first_event_streamed_s if asks.stream else limits.first_event_whole_s
        outgoing = Outgoing(
            place.origin,
            exchange.method,
            target + b"?" + exchange.query if exchange.query else target,
            headers,
            body,
            connect_s=limits.connect_s if limits.connect_s < left_s else left_s,
            head_s=first_s if first_s < left_s else left_s,
            sent=attempt.was_sent,
        )
        incoming = await self._transports[place.origin.scheme].open(outgoing)
        attempt.state = AttemptState.HEADERS
        attempt.status = incoming.status
        return concealed(incoming, secret)

    def _place(self, provider: Provider) -> Place:
        known = self._places.get(provider.id)
        if known is None or known[0] is not provider:  # another row than last time: it was changed, or read again
            known = self._places[provider.id] = (provider, place_of(provider))
        return known[1]

    @staticmethod
    async def _changed(plan: Plan, exchange: Exchange, *, swapped: bool, counted: bool) -> Body:
        """The bytes that came, but for the model's name there and the request for usage."""
        content_type = exchange.header(b"content-type") or b""
        if content_type.lower().startswith(b"multipart/form-data"):
            return await multipart.with_model(content_type, exchange.body, plan.model or "")
        data = exchange.body.data
        if data is None:
            data = b"".join([chunk async for chunk in exchange.body.chunks()])
        if swapped:
            data = openai.with_model(data, plan.model or "")
        return MemoryBody(openai.with_include_usage(data) if counted else data)

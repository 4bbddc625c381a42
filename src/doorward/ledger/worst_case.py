"""A call's worst case, from its route and its body: by bounds at once, by an exact count where the bound alone would refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from doorward.core.exchange import Exchange
from doorward.ledger import demand
from doorward.ledger.holds import FREE, Bounds, Hold, hold_for
from doorward.ledger.terms import PlainTerms
from doorward.providers.prices import Prices
from doorward.providers.route import Route
from doorward.providers.tokens import Count
from doorward.wire.endpoints import Endpoint

Counter = Callable[[str, Mapping[str, Any], str], Count]
"""(kind of endpoint, the decoded body, model) -> its input tokens."""


class WorstCase:
    """Raises `CostUnbounded` for what has no bound, naming the field."""

    def __init__(self, prices: Prices, bounds: Bounds, count: Counter) -> None:
        self._prices = prices
        self._bounds = bounds
        self._count = count
        self._plain = PlainTerms(prices, bounds)

    async def of(self, route: Route, exchange: Exchange) -> Hold:
        return self.bounded(route, exchange, exchange.body.data or await demand.whole(exchange))

    def bounded(self, route: Route, exchange: Exchange, body: bytes, endpoint: Endpoint | None = None) -> Hold:
        """`endpoint`: the exchange's, where somebody has looked it up."""
        if endpoint is None:
            endpoint = demand.endpoint_of(exchange)
        if endpoint.bills == "free":
            return FREE
        asked = demand.read(endpoint.kind, exchange, body, form=endpoint.form)
        if (hold := self._plain.hold(asked, route)) is not None:
            return hold
        return hold_for(asked, route, self._prices, self._bounds)

    async def counted(self, route: Route, exchange: Exchange, body: bytes) -> Hold | None:
        """`None` when the input cannot be counted exactly. In a thread: a tokenizer may have to be loaded."""
        endpoint = demand.endpoint_of(exchange)
        asked = demand.read(endpoint.kind, exchange, body, form=endpoint.form)
        if not asked.countable:
            return None
        decoded = msgspec.json.decode(body)
        most = 0
        for model in {plan.model for plan in route.plans if plan.model is not None}:
            found = await asyncio.to_thread(self._count, asked.kind, decoded, model)
            if not found.exact:
                return None
            most = max(most, found.tokens)
        return hold_for(asked, route, self._prices, self._bounds, counted=most)

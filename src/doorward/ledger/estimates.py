"""What a call would take and cost, and whether its budgets would admit it: before anything is spent (R39)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from doorward.core.caller import Caller
from doorward.core.errors import CostUnbounded, NotFound
from doorward.core.exchange import Exchange
from doorward.core.money import usd_text
from doorward.core.usage import Usage
from doorward.ledger.budgets import Budgets
from doorward.ledger.treasury import BudgetState, Treasury
from doorward.providers.prices import price_list_of
from doorward.providers.route import Route
from doorward.providers.tokens import Count, count_input
from doorward.wire.endpoints import Endpoint, match

Router = Callable[[Exchange, Caller, Endpoint], Awaitable[Route]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Nano-dollars and tokens; `None` = unknown. `cost` is for the whole output, `hold` the worst that could be billed."""

    model: str | None
    provider_id: str
    input: Count
    max_output_tokens: int | None
    cost: int | None
    price_version: str
    hold: int | None
    admitted: bool
    why: str
    budgets: list[BudgetState]


class Estimates:
    def __init__(self, budgets: Budgets, treasury: Treasury, route: Router) -> None:
        self._budgets = budgets
        self._treasury = treasury
        self._route = route

    async def of(self, caller: Caller, exchange: Exchange) -> Estimate:
        """Raises what the router refuses: an unknown model, a model that the key may not use."""
        endpoint = match(exchange.method, exchange.path).endpoint
        if endpoint is None or endpoint.form:
            raise NotFound("An estimate is for an endpoint of /v1 that takes JSON.", param="endpoint")
        route = await self._route(exchange, caller, endpoint)
        plan, prices = route.first, self._budgets.prices
        body = msgspec.json.decode(exchange.body.data or b"{}")
        counted = await asyncio.to_thread(count_input, endpoint.kind, body, plan.model or "")
        limit = exchange.asks.max_output_tokens
        most = limit if limit is not None else prices.facts.of(plan.model).max_output
        output = 0 if endpoint.kind == "embedding" else (most or 0) * exchange.asks.n
        usage = Usage(
            input_tokens=counted.tokens,
            output_tokens=output,
            characters=len(str(body.get("input", ""))) if endpoint.kind == "speech" else 0,
            images=exchange.asks.n if endpoint.kind == "image" and most is None else 0,
            image_size=body.get("size") if isinstance(body.get("size"), str) else None,
            image_quality=body.get("quality") if isinstance(body.get("quality"), str) else None,
        )
        priced = prices.cost(
            price_list_of(plan.provider), plan.model, endpoint.kind if endpoint.bills != "free" else "models", usage
        )
        caps = self._budgets.caps_of(caller)
        states = await self._treasury.states(caps)
        hold, why = await self._hold(route, exchange)
        refused = next((state for state in states if hold is not None and hold > state.left), None)
        if refused is not None and hold is not None:
            why = (
                f"it may cost up to {usd_text(hold)} USD, and {usd_text(refused.left)} USD is left of the budget of {refused.label}"
            )
        admitted = not caps or (hold is not None and refused is None)
        version = priced.version
        return Estimate(
            plan.model, plan.provider.id, counted, most, priced.nanos, version, hold, admitted, why or priced.why, states
        )

    async def _hold(self, route: Route, exchange: Exchange) -> tuple[int | None, str]:
        try:
            hold = await self._budgets.worst.of(route, exchange)
        except CostUnbounded as unbounded:
            return None, unbounded.message
        return hold.nanos, ""

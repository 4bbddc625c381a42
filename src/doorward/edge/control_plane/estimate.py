"""`POST /api/v1/estimate`: tokens, price and admission of a call, before anything is spent."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Body as FromBody
from fastapi import Request
from pydantic import Field

from doorward.core.errors import Unprocessable
from doorward.core.exchange import Exchange, MemoryBody
from doorward.core.money import usd_text
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.money import BudgetOut, HasMoney, shown
from doorward.wire.openai import read_asks

routes = router("estimate")

BODY_CAP_BYTES = 1024 * 1024
_BY_FIELD = (("messages", "/v1/chat/completions"), ("input", "/v1/responses"), ("prompt", "/v1/completions"))


class _Wrapped(msgspec.Struct):
    body: msgspec.Raw


class EstimateOut(Answer):
    model: str | None = Field(description="The model that the call would go to first.")
    provider: str
    input_tokens: int
    input_exact: bool = Field(description="Counted with the model's own encoding; else estimated.")
    max_output_tokens: int | None = Field(description="The request's limit, else the model's; null: not known.")
    price_known: bool
    price_version: str
    cost_usd: str | None = Field(description="Of the input and the whole output limit at the standard price; null: not known.")
    hold_usd: str | None = Field(description="The worst that could be billed: what budgets reserve; null: no bound.")
    admitted: bool = Field(description="The caller's budgets would let it pass now.")
    why: str
    budgets: list[BudgetOut]


@routes.post("/api/v1/estimate")
@declared(auth="either", scope="call", body_cap_bytes=BODY_CAP_BYTES)
async def estimate(
    request: Request, parts: HasParts, money: HasMoney, caller: Calling, wish: Annotated[dict[str, Any], FromBody()]
) -> EstimateOut:
    """Send the request that you would send, or `{"endpoint": "/v1/embeddings", "body": {...}}`. Nothing is called."""
    path, body = _asked(wish)
    raw = _as_sent(await request.body(), wrapped=body is not wish)
    exchange = Exchange("estimate", "POST", path, b"", [], MemoryBody(raw), read_asks(raw), "", parts.clock.monotonic())
    found = await money.estimates.of(caller, exchange)
    return EstimateOut(
        model=found.model,
        provider=found.provider_id,
        input_tokens=found.input.tokens,
        input_exact=found.input.exact,
        max_output_tokens=found.max_output_tokens,
        price_known=found.cost is not None,
        price_version=found.price_version,
        cost_usd=None if found.cost is None else usd_text(found.cost),
        hold_usd=None if found.hold is None else usd_text(found.hold),
        admitted=found.admitted,
        why=found.why,
        budgets=[shown(state) for state in found.budgets],
    )


def _asked(wish: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    endpoint, body = wish.get("endpoint"), wish.get("body")
    if isinstance(body, dict):
        if not isinstance(endpoint, str) or not endpoint.startswith("/v1/"):
            raise Unprocessable("Name the endpoint, like /v1/chat/completions.", param="endpoint")
        return endpoint, body
    for field, path in _BY_FIELD:
        if field in wish:
            return path, wish
    raise Unprocessable("Send the body of a call, or an endpoint and a body.", param="body")


def _as_sent(raw: bytes, *, wrapped: bool) -> bytes:
    """The bytes of the call's own body: a bound by bytes must see what would be sent, not another encoding of it."""
    if not wrapped:
        return raw
    return bytes(msgspec.json.decode(raw, type=_Wrapped).body)

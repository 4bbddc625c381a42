"""`/api/v1/prices`: what calls cost, from the dated data set and from the operator's own prices over it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import Query
from pydantic import Field

from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body
from doorward.edge.control_plane.money import HasMoney
from doorward.providers.prices import Override

routes = router("prices")

MOST_ROWS = 500


class PriceOut(Answer):
    price_list: str
    model: str
    unit: str = Field(description="What the price is for: input_mtok is a million input tokens, audio_hours an hour of sound.")
    usd: str = Field(description="Dollars for one unit.")
    own: bool = Field(description="Set by the operator, over the data set.")
    above_input_tokens: int | None = Field(None, description="Holds for calls with more input tokens than this.")


class PriceList(Answer):
    version: str = Field(description="The data set that prices come from; it stands in each call's row.")
    lists: list[str] = Field(description="Price lists that there are.")
    data: list[PriceOut]


class PriceIn(Body):
    price_list: str = Field(min_length=1, max_length=64, description="A provider's id, or what its prices say.")
    model: str = Field(min_length=1, max_length=200, description="A model, or a prefix ending in *.")
    unit: str = Field(min_length=1, max_length=40)
    usd: Decimal = Field(description="Dollars for one unit, 0 or more.")


class Removed(Answer):
    removed: int


@routes.get("/api/v1/prices")
@declared(auth="either", scope="call")
async def list_prices(
    money: HasMoney,
    price_list: Annotated[str, Query(max_length=64)] = "openai",
    model: Annotated[str, Query(max_length=200, description="Part of a model's name.")] = "",
) -> PriceList:
    """Prices of one list: the operator's own first, then the data set's, at most 500 rows."""
    prices = money.budgets.prices
    stored = [o for o in await money.treasury.overrides.all() if o.price_list == price_list and model.lower() in o.model.lower()]
    data = [_own(override) for override in stored]
    for name, unit, above, usd in prices.listed(price_list, model):
        data.append(PriceOut(price_list=price_list, model=name, unit=unit, usd=usd, own=False, above_input_tokens=above))
    return PriceList(version=prices.table.version, lists=sorted(prices.table.lists), data=data[:MOST_ROWS])


@routes.put("/api/v1/prices")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def set_price(money: HasMoney, wish: PriceIn) -> PriceOut:
    """Set the price of one unit of a model, over the data set. Every process uses it within 5 s."""
    override = await money.treasury.set_price(Override(wish.price_list, wish.model, wish.unit, wish.usd))
    await money.budgets.prices.refresh(money.treasury.overrides)
    return _own(override)


@routes.delete("/api/v1/prices")
@declared(auth="either", scope="admin")
async def remove_price(
    money: HasMoney,
    price_list: Annotated[str, Query(min_length=1, max_length=64)],
    model: Annotated[str, Query(min_length=1, max_length=200)],
    unit: Annotated[str | None, Query(max_length=40, description="All of the model's, if left out.")] = None,
) -> Removed:
    """Take back own prices; the data set's hold again."""
    removed = await money.treasury.remove_price(price_list, model, unit)
    await money.budgets.prices.refresh(money.treasury.overrides)
    return Removed(removed=removed)


def _own(override: Override) -> PriceOut:
    usd = f"{override.usd:f}"
    return PriceOut(price_list=override.price_list, model=override.model, unit=override.unit, usd=usd, own=True)

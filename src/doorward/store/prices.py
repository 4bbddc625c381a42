"""The operator's own prices: one row a unit of a model."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.providers.prices import Override
from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.budgets import price_overrides


class PriceOverrides:
    """Checks nothing: `providers.prices.checked` has been there before."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[Override]:
        columns = price_overrides.c
        async with self._store.reading() as connection:
            rows = await connection.execute(select(price_overrides).order_by(columns.price_list, columns.model, columns.unit))
            return [Override(row.price_list, row.model, row.unit, Decimal(row.usd)) for row in rows]

    async def set(self, override: Override, within: AsyncConnection | None = None) -> None:
        values = {"price_list": override.price_list, "model": override.model, "unit": override.unit, "usd": f"{override.usd:f}"}
        async with self._store.writing(within) as connection:
            await connection.execute(upsert(self._store.dialect, price_overrides, values))
            self._store.touched(f"price:{override.price_list}/{override.model}")

    async def remove(self, price_list: str, model: str, unit: str | None = None, within: AsyncConnection | None = None) -> int:
        """-> rows removed; `unit=None` removes all of the model's."""
        columns = price_overrides.c
        wanted: ColumnElement[bool] = and_(columns.price_list == price_list, columns.model == model)
        if unit is not None:
            wanted = and_(wanted, columns.unit == unit)
        async with self._store.writing(within) as connection:
            removed = (await connection.execute(delete(price_overrides).where(wanted))).rowcount
            if removed:
                self._store.touched(f"price:{price_list}/{model}")
            return removed

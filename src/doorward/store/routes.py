"""Where calls for a model go when it fails (R29), and other names for models."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store import lists
from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.doors import model_aliases, routes


@dataclass(frozen=True, slots=True)
class RouteRule:
    """`match` is a model, or a prefix ending in ``*``. `None` = the settings' time limit."""

    match: str
    fallbacks: tuple[str, ...] = ()
    first_event_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    rescue: bool = False


class Routes:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[RouteRule]:
        async with self._store.reading() as connection:
            return [
                RouteRule(row.match, lists.read(row.fallbacks), row.first_event_timeout_s, row.idle_timeout_s, row.rescue)
                for row in await connection.execute(select(routes).order_by(routes.c.match))
            ]

    async def set(self, rule: RouteRule, within: AsyncConnection | None = None) -> None:
        """Add, or replace the rule with the same `match`. Whether it makes sense was checked before (R29)."""
        values = {
            "match": rule.match,
            "fallbacks": lists.written(rule.fallbacks),
            "first_event_timeout_s": rule.first_event_timeout_s,
            "idle_timeout_s": rule.idle_timeout_s,
            "rescue": rule.rescue,
        }
        async with self._store.writing(within) as connection:
            await connection.execute(upsert(self._store.dialect, routes, values))
            self._store.touched(f"route:{rule.match}")

    async def remove(self, match: str, within: AsyncConnection | None = None) -> bool:
        async with self._store.writing(within) as connection:
            if (await connection.execute(delete(routes).where(routes.c.match == match))).rowcount == 0:
                return False
            self._store.touched(f"route:{match}")
            return True


class Aliases:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, str]:
        """Name -> model."""
        async with self._store.reading() as connection:
            rows = await connection.execute(select(model_aliases).order_by(model_aliases.c.name))
            return {row.name: row.model for row in rows}

    async def set(self, name: str, model: str, within: AsyncConnection | None = None) -> None:
        async with self._store.writing(within) as connection:
            await connection.execute(upsert(self._store.dialect, model_aliases, {"name": name, "model": model}))
            self._store.touched(f"model:{name}")

    async def remove(self, name: str, within: AsyncConnection | None = None) -> bool:
        async with self._store.writing(within) as connection:
            if (await connection.execute(delete(model_aliases).where(model_aliases.c.name == name))).rowcount == 0:
                return False
            self._store.touched(f"model:{name}")
            return True

"""Which documents a metadata filter lets through: `{"lang": "en", "year": {"gte": 2020}, "tag": {"in": ["a", "b"]}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any

from doorward.core.errors import Unprocessable

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_OTHER = ("in", "ne")


def check(where: Mapping[str, Any]) -> None:
    """Raises `Unprocessable` for a filter that cannot be read."""
    for field, wish in where.items():
        if isinstance(wish, list):
            raise Unprocessable('For one of several values write {"in": [...]}.', param=f"where.{field[:40]}")
        if not isinstance(wish, dict):
            continue
        for name, value in wish.items():
            if name not in _ORDER and name not in _OTHER:
                raise Unprocessable("A condition is gt, gte, lt, lte, ne or in.", param=f"where.{field[:40]}")
            if (name == "in") != isinstance(value, list) or (name in _ORDER and not isinstance(value, int | float | str)):
                raise Unprocessable(f"{name} has the wrong kind of value.", param=f"where.{field[:40]}")


def matching(rows: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> list[int]:
    """Row numbers. A document without the field never matches."""
    return [number for number, row in enumerate(rows) if all(_holds(row, field, wish) for field, wish in where.items())]


def _holds(row: Mapping[str, Any], field: str, wish: Any) -> bool:
    if field not in row:
        return False
    value = row[field]
    if not isinstance(wish, dict):
        return bool(value == wish)
    return all(_condition(value, name, wanted) for name, wanted in wish.items())


def _condition(value: Any, name: str, wanted: Any) -> bool:
    if name == "in":
        return value in wanted
    if name == "ne":
        return bool(value != wanted)
    comparable = isinstance(value, str) == isinstance(wanted, str) and isinstance(value, int | float | str)
    return comparable and _ORDER[name](value, wanted)

"""Periods of a budget by name: ``2026-11-20``, ``2026-11``, ``ever``. UTC, always."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FOREVER_S = float("inf")


def name_at(period: str, wall_s: float) -> str:
    """`day`, `month` or `ever` at a moment -> the period's name."""
    if period == "ever":
        return "ever"
    moment = datetime.fromtimestamp(wall_s, UTC)
    return f"{moment:%Y-%m-%d}" if period == "day" else f"{moment:%Y-%m}"


def span(name: str) -> tuple[float, float]:
    """First second, and the first second after; ``ever`` ends at infinity."""
    if name == "ever":
        return 0.0, FOREVER_S
    if len(name) == 10:
        day = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC)
        return day.timestamp(), (day + timedelta(days=1)).timestamp()
    month = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    return month.timestamp(), (month + timedelta(days=32)).replace(day=1).timestamp()

"""Times for people, in the terminal's zone."""

from __future__ import annotations

from datetime import UTC, datetime


def date(unix_s: float | None) -> str:
    """`2026-11-20 17:05`, or `-` for never."""
    if unix_s is None:
        return "-"
    return datetime.fromtimestamp(unix_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M")

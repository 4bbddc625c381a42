"""Functions that tests offer to agents."""

from __future__ import annotations

import time
from typing import Any, Literal

from doorward.apps.tool import ask_first

TASKS: list[dict[str, str]] = []


def create_task(title: str, description: str, priority: Literal["low", "medium", "high"] = "medium") -> dict[str, Any]:
    """Put a task on the list.

    title: Starts with a verb.
    description: One sentence.
    """
    TASKS.append({"title": title, "description": description, "priority": priority})
    return {"id": len(TASKS), "title": title}


async def breaks() -> str:
    """Always fails."""
    raise ValueError("inner words that must not leak")


async def hangs() -> str:
    """Never comes back."""
    import asyncio

    await asyncio.sleep(3600)
    return ""


def huge() -> str:
    """Returns megabytes."""
    return "x" * 3_000_000


@ask_first
def send_money(to: str, cents: int) -> str:
    """Send money."""
    time.sleep(0)
    return f"{cents} sent to {to}"

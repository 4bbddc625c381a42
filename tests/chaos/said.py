"""How one call of a load ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """`status` is `None` when no whole head came."""

    id: str
    status: int | None
    code: str
    """`ok`, the error's code, `told` (a stream's error event), `lost` (no answer, or a part of one), `refused` (no connection)."""
    took_s: float
    streamed: bool = False
    why: str = ""
    """Of a lost call: what the client met, and how many bytes it had by then."""
    ended_s: float = 0.0
    """Monotonic."""


def code_of(status: int, text: bytes, streamed: bool) -> str:
    if status != 200:
        error: dict[str, Any] = json.loads(text)["error"]
        return str(error["code"])
    if not streamed or b"data: [DONE]" in text:
        return "ok"
    return "told" if b'"error"' in text else "lost"

"""Settled calls for telemetry's tests."""

from __future__ import annotations

import itertools
import time
from typing import Any

from doorward.store.call_rows import AttemptRow, CallRow, Settled
from doorward.telemetry.feed import Seen

_numbers = itertools.count(1)


def settled(*, model: str = "gpt-4o-mini", number: int | None = None, **changes: Any) -> Settled:
    n = next(_numbers) if number is None else number
    call = CallRow(
        f"p-{n}", f"req_{n:026d}", "p", "user:1", "key1", "label", "1", "/v1/chat/completions", "[]", False, model, model, "openai",
        "acc_1", "done", 200, None, "off", 1, 10, 2, 5, 1, 4_500, 9_000, "upstream", "", "v1", time.time() - 1.5, 120.0, 1204.4,
        time.time(), "[]",
    )  # fmt: skip
    for name, value in changes.items():
        setattr(call, name, value)
    attempt = AttemptRow(
        call.opening, 1, "openai", "acc_1", model, "done", 200, "up-1", "", 10, 2, 5, 1, "{}", 4_500, 9_000, "upstream", "v1", 1.0,
        120.0, 1200.0,
    )  # fmt: skip
    return Settled(call, [attempt])


def seen(**changes: Any) -> Seen:
    traceparent = changes.pop("traceparent", None)
    return Seen(settled(**changes), "POST", 12.5, traceparent, 3, 0)

"""How much of an account's limits an upstream says is left: `x-ratelimit-*` of OpenAI's shape."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from doorward.core.exchange import Headers

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s|d))+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_KINDS = (b"requests", b"tokens")
_PREFIX = b"x-ratelimit-"
_MOST_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Headroom:
    """One limit as it was at `seen_s`. It refills evenly and is whole again at `reset_s` (both monotonic)."""

    limit: float
    remaining: float
    reset_s: float
    seen_s: float

    def share(self, now_s: float) -> float:
        """0 (nothing left) … 1 (all of it)."""
        if self.limit <= 0 or now_s >= self.reset_s:
            return 1.0
        past = (now_s - self.seen_s) / (self.reset_s - self.seen_s)
        left = self.remaining / self.limit
        return min(1.0, left + (1.0 - left) * max(0.0, past))


def headroom_of(headers: Headers, now_s: float) -> dict[bytes, Headroom]:
    """By kind, ``requests`` and ``tokens``; a kind with missing or unreadable fields is left out."""
    values = {name[len(_PREFIX) :]: value for name, value in headers if name.startswith(_PREFIX)}
    if not values:
        return {}
    found: dict[bytes, Headroom] = {}
    for kind in _KINDS:
        limit = _number(values.get(b"limit-" + kind))
        remaining = _number(values.get(b"remaining-" + kind))
        reset = duration_s(values.get(b"reset-" + kind, b""))
        if limit is not None and remaining is not None and reset is not None and limit > 0:
            found[kind] = Headroom(limit, min(remaining, limit), now_s + reset, now_s)
    return found


def duration_s(value: bytes) -> float | None:
    """``1s``, ``6m0s``, ``12ms``, ``1h2m``, or bare seconds -> seconds; anything else is `None`. At most a week."""
    text = value.decode("latin-1").strip()
    if _WHOLE.fullmatch(text):
        return min(sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), _MOST_S)
    seconds = _number(value)
    return None if seconds is None else min(seconds, _MOST_S)


def _number(value: bytes | None) -> float | None:
    """A count from 0 up."""
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None

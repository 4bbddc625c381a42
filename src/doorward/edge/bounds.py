"""What a limit on calls may be, checked where people set one: for a client key, a user or an account."""

from __future__ import annotations

from doorward.core.caller import KeyLimits
from doorward.core.errors import Unprocessable
from doorward.store.call_limits import BOUNDS

MOST_CALLS = 2_000_000_000
"""Of requests, and of calls at once: what the database's columns hold."""
MOST_TOKENS = 10**12


def check_bounds(bounds: KeyLimits) -> None:
    """Raises `Unprocessable` for a limit that is no limit, or contradicts another one."""
    for name in BOUNDS:
        value, most = getattr(bounds, name), MOST_TOKENS if name in ("tpm", "tpd") else MOST_CALLS
        if value is not None and not 1 <= value <= most:
            raise Unprocessable(f"{name} is between 1 and {most:,}.", param=name)
    for minute, day in (("rpm", "rpd"), ("tpm", "tpd")):
        a_minute, a_day = getattr(bounds, minute), getattr(bounds, day)
        if a_minute is not None and a_day is not None and a_minute > a_day:
            raise Unprocessable(f"{minute} is more than {day}: a minute cannot hold more than its day.", param=minute)

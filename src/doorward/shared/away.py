"""Whether Redis is away: found out by one call, believed by all of them for `retry_s`.

Counters and cache of a process share one: a call that has waited for the one does not wait for the other.
"""

from __future__ import annotations

from doorward.core.clock import Clock
from doorward.telemetry.logs import named

log = named(__name__)


class Away:
    def __init__(self, clock: Clock, *, retry_s: float = 1.0, wait_s: float | None = None) -> None:
        """`wait_s`: the longest that one operation may take, waiting for a free connection included; `None`: as the client says."""
        self._clock = clock
        self._retry_s = retry_s
        self._until = 0.0
        self.wait_s = wait_s

    @property
    def is_now(self) -> bool:
        return self._clock.monotonic() < self._until

    def met(self, cause: Exception, verb: str) -> None:
        """Said once for each try, however many calls were waiting."""
        if not self.is_now:
            log.warning("redis_away", cause=type(cause).__name__, verb=verb)
        self._until = self._clock.monotonic() + self._retry_s

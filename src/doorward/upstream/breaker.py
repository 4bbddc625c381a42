"""One (account, model)'s breaker: closed, open, half-open with one probe at a time."""

from __future__ import annotations

import enum
from dataclasses import dataclass

PROBE_LOOK_S = 1.0


class State(enum.StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """A route that recovers is used again within `open_s` plus one call: below R30's 30 s."""

    failures: int = 5
    """In a row, the first and the last of them within `window_s`, before it opens."""
    window_s: float = 30.0
    open_s: float = 10.0
    """How long it stays open before a probe; doubled by each failed probe up to `most_open_s`."""
    most_open_s: float = 20.0
    probe_s: float = 60.0
    """A probe that has not told its end by then is taken for lost, and another may start."""


@dataclass(slots=True)
class Breaker:
    limits: BreakerLimits
    failures: int = 0
    first_failure_s: float = 0.0
    opened_s: float | None = None
    open_for_s: float = 0.0
    probing_since_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """0 = a call may start now (in half-open: as the probe), else seconds until it may."""
        if self.opened_s is None:
            return 0.0
        left = self.opened_s + self.open_for_s - now_s
        if left > 0:
            return left
        if self.probing_since_s is not None:
            # The probe may end at any moment: whoever waits for it looks again soon.
            return min(PROBE_LOOK_S, max(0.0, self.probing_since_s + self.limits.probe_s - now_s))
        return 0.0

    def begin(self, now_s: float) -> bool:
        """A call starts -> whether it is the probe."""
        if self.opened_s is None or self.wait_s(now_s) > 0:
            return False
        self.probing_since_s = now_s
        return True

    def succeeded(self) -> None:
        self.failures = 0
        self.opened_s = self.probing_since_s = None

    def failed(self, now_s: float, probe: bool) -> None:
        if self.opened_s is not None:
            if probe:  # late failures of calls that started before it opened say nothing new
                self._open(now_s, min(self.open_for_s * 2, self.limits.most_open_s))
            return
        if self.failures == 0 or now_s - self.first_failure_s > self.limits.window_s:
            self.failures, self.first_failure_s = 0, now_s
        self.failures += 1
        if self.failures >= self.limits.failures:
            self._open(now_s, self.limits.open_s)

    def abandoned(self, probe: bool) -> None:
        """The call ended without telling anything about the upstream (the client went away)."""
        if probe:
            self.probing_since_s = None

    def state(self, now_s: float) -> State:
        if self.opened_s is None:
            return State.CLOSED
        return State.OPEN if self.opened_s + self.open_for_s > now_s else State.HALF_OPEN

    def _open(self, now_s: float, for_s: float) -> None:
        self.opened_s, self.open_for_s, self.probing_since_s = now_s, for_s, None

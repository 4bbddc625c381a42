"""Whether a call may be sent again, and when: one table, one budget, one backoff (R10, R28, R29, R31)."""

from __future__ import annotations

import enum
import random
from collections import deque
from dataclasses import dataclass

from doorward.core.clock import Clock
from doorward.upstream.classify import Outcome

MOST_ATTEMPTS = 6
"""At most 5 retries."""
SPACING_S = 1.6
"""Never more than two attempts at one model within 1.5 s as the upstream sees them, so that an outage is not helped along: the
rest is for a first one that was longer on its way."""
FIRST_BACKOFF_S = 0.25
BACKOFF_GROWS = 2.0
MOST_BACKOFF_S = 8.0


class Next(enum.Enum):
    """What may follow an attempt that did not start."""

    STOP = "stop"
    SAME_MODEL = "same model"
    """Another account at once, the same one after its wait; then the route's other models."""
    OTHER_ACCOUNT = "other account"
    """This account is of no use to this call; others of the model are, then the route's other models."""
    OTHER_MODEL = "other model"


@dataclass(frozen=True, slots=True)
class Rule:
    without_rescue: Next
    with_rescue: Next


TABLE: dict[Outcome, Rule] = {
    # Nothing was written: sending elsewhere is always safe.
    Outcome.NOT_SENT: Rule(Next.SAME_MODEL, Next.SAME_MODEL),
    # Its address may not be connected to, now or later; another provider's may.
    Outcome.FORBIDDEN: Rule(Next.OTHER_ACCOUNT, Next.OTHER_ACCOUNT),
    # A complete 408 or 5xx without usage: not billed.
    Outcome.RETRY: Rule(Next.SAME_MODEL, Next.SAME_MODEL),
    # A complete 429: not billed, and free again after its wait.
    Outcome.REST: Rule(Next.SAME_MODEL, Next.SAME_MODEL),
    # Its organisation is out of credit: asking it again is of no use, other organisations may serve.
    Outcome.REST_QUOTA_OWNER: Rule(Next.OTHER_ACCOUNT, Next.OTHER_ACCOUNT),
    # The key itself is refused.
    Outcome.QUARANTINE: Rule(Next.OTHER_ACCOUNT, Next.OTHER_ACCOUNT),
    # Only a larger model can help.
    Outcome.CONTEXT_LENGTH: Rule(Next.OTHER_MODEL, Next.OTHER_MODEL),
    # Nobody is asked to do what a provider refused on principle.
    Outcome.CONTENT_POLICY: Rule(Next.STOP, Next.STOP),
    # It would be refused again.
    Outcome.CALLERS_FAULT: Rule(Next.STOP, Next.STOP),
    # It may have been done and billed: only a route that would rather pay twice than fail goes on.
    Outcome.AMBIGUOUS: Rule(Next.STOP, Next.SAME_MODEL),
    # An answer that started is never followed by another attempt here.
    Outcome.OK: Rule(Next.STOP, Next.STOP),
}


def after(outcome: Outcome, rescue: bool) -> Next:
    rule = TABLE[outcome]
    return rule.with_rescue if rescue else rule.without_rescue


def backoff_s(tries: int, rng: random.Random) -> float:
    """Full jitter: anything from 0 to an exponentially growing bound; `tries` is 1 after the first failure."""
    return rng.uniform(0, min(MOST_BACKOFF_S, FIRST_BACKOFF_S * BACKOFF_GROWS**tries))


class RetryBudget:
    """Retries of the process: at most `share` of the calls of the last `window_s`, and always `floor` of them.

    In an outage every call fails; without a budget each would be sent six times.
    """

    def __init__(self, clock: Clock, share: float = 0.1, floor: int = 10, window_s: float = 10.0) -> None:
        self._clock = clock
        self._share = share
        self._floor = floor
        self._window_s = window_s
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def call(self) -> None:
        now = self._clock.monotonic()
        self._calls.append(now)
        _forget(self._calls, now - self._window_s)

    def retry(self) -> bool:
        """Take one retry, if there is one."""
        now = self._clock.monotonic()
        _forget(self._calls, now - self._window_s)
        _forget(self._retries, now - self._window_s)
        if len(self._retries) >= max(self._floor, int(self._share * len(self._calls))):
            return False
        self._retries.append(now)
        return True


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] < before:
        times.popleft()

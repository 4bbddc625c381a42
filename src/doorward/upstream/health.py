"""What this process has seen of each account and model: rests, quarantines, breakers, headroom, calls in flight.

Balance reads `score` and `wait_s`; failover tells how attempts end. In memory only: another process learns the same
from its own answers, and a restart starts with trust. Quarantines alone are written down, by `relay/quarantine.py`;
what is here of them holds until that is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from doorward.core.clock import Clock
from doorward.core.exchange import Headers
from doorward.providers.provider import Account
from doorward.providers.route import Plan
from doorward.upstream.breaker import Breaker, BreakerLimits
from doorward.upstream.classify import Outcome, Verdict
from doorward.upstream.headroom import Headroom, headroom_of

REST_S = 5.0
"""A 429 that does not say how long."""
QUOTA_REST_S = 300.0
"""`insufficient_quota`: somebody must pay first, so asking more often helps nobody."""
QUARANTINE_S = 900.0
"""After a 401; a key set meanwhile ends it at once."""
DRAINING_S = 30.0
"""What is told of a provider that is drained: nobody knows when its maintenance ends, and asking again is cheap."""
_MOST_ROUTES = 10_000


@dataclass(frozen=True, slots=True)
class Score:
    """The factors of a plan's share of the load, each 0 … 1 but `weight`."""

    weight: float
    headroom: float
    health: float
    in_flight: int

    @property
    def share(self) -> float:
        return self.weight * self.headroom * self.health / (1 + self.in_flight)


@dataclass(slots=True)
class _Line:
    """One account and model."""

    breaker: Breaker
    headroom: dict[bytes, Headroom] = field(default_factory=dict)
    in_flight: int = 0
    failure_rate: float = 0.0
    """Moving average, 0 … 1."""
    took_s: float | None = None
    """Moving average of the time to the first event or the whole answer."""
    seen_s: float = 0.0


class Trial(Struct, eq=False):
    """One attempt under way; exactly one of `succeeded`, `judged`, `abandoned` says how it began, later ones do nothing.

    `over` says that nothing is on its way any more: until then it counts as in flight, a stream to its last event.
    """

    _health: Health
    _plan: Plan
    _line: _Line
    probe: bool
    _open: bool = True
    _in_flight: bool = True

    def succeeded(self, headers: Headers = (), took_s: float | None = None) -> None:
        if self._open:
            self._open = False
            self._health._succeeded(self._line, headers, took_s)

    def judged(self, verdict: Verdict, headers: Headers = ()) -> None:
        """The attempt failed so: rests, quarantines and breakers follow from the verdict."""
        if self._end():
            self._health._judged(self._plan, self._line, verdict, headers, self.probe)

    def abandoned(self) -> None:
        """It ended on our side; nothing is known about the upstream."""
        if self._end():
            self._line.breaker.abandoned(self.probe)

    def died(self) -> None:
        """Its answer had begun well and broke off: the balance leans away, the breaker counts only beginnings."""
        self._line.failure_rate = self._line.failure_rate * 0.8 + 0.2

    def over(self) -> None:
        """Nothing is on its way any more. Idempotent; an attempt that nobody has judged is abandoned."""
        if self._open:
            self.abandoned()
        if self._in_flight:
            self._in_flight = False
            self._line.in_flight -= 1

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        return was_open


class Health:
    def __init__(self, clock: Clock, limits: BreakerLimits = BreakerLimits()) -> None:
        self._clock = clock
        self._limits = limits
        self._lines: dict[tuple[str, str], _Line] = {}
        self._rests: dict[tuple[str, str | None], float] = {}
        """(quota owner, model), or (quota owner, `None`) for all its models -> until, monotonic."""
        self._paused: dict[str, float] = {}
        """Account at its own limits -> until, monotonic."""
        self._quarantined: dict[str, tuple[float, float | None]] = {}
        """Account -> until, and when the refused key had been set."""
        self.on_refused: Callable[[Account], object] = lambda account: None
        """Told of each account whose key was refused."""
        self.stored: Callable[[], Iterable[tuple[str, float]]] = tuple
        """Accounts whose quarantine is written down, and the seconds until each is asked about."""

    # Before an attempt

    def usable(self, plan: Plan) -> bool:
        """The usual state is that nothing rests, is paused or refused, and that no breaker is open: that is seen at a glance."""
        account = plan.account
        if self._rests or self._paused or self._quarantined or (account is not None and account.quarantined_at is not None):
            return self.wait_s(plan) == 0
        line = self._lines.get(plan.line)
        if line is not None and line.breaker.opened_s is not None:
            return self.wait_s(plan) == 0
        return not plan.provider.is_draining

    def wait_s(self, plan: Plan) -> float:
        """Seconds until the plan may be tried; 0 = now."""
        now_s = self._clock.monotonic()
        if plan.provider.is_draining:
            return DRAINING_S
        until_s = 0.0
        if self._rests:
            owner = _owner(plan)
            until_s = max(self._rests.get((owner, None), 0.0), self._rests.get((owner, plan.model or ""), 0.0))
        if plan.account is not None and (self._quarantined or self._paused or plan.account.quarantined_at is not None):
            until_s = max(until_s, self._quarantine(plan.account, now_s), self._paused.get(plan.account.id, 0.0))
        line = self._lines.get(plan.line)
        return max(0.0, until_s - now_s, line.breaker.wait_s(now_s) if line is not None else 0.0)

    def score(self, plan: Plan) -> Score:
        """All factors, also for a plan that rests: ask `usable` first."""
        weight = float(plan.account.weight) if plan.account is not None else 1.0
        line = self._lines.get(plan.line)
        if line is None:
            return Score(weight, 1.0, 1.0, 0)
        now_s = self._clock.monotonic()
        headroom = min((seen.share(now_s) for seen in line.headroom.values()), default=1.0)
        # Never quite 0: what looks used up or ill must still be tried when everything else is.
        return Score(weight, max(headroom, 0.01), max(1.0 - line.failure_rate, 0.05), line.in_flight)

    def begin(self, plan: Plan) -> Trial:
        line = self._lines.get(plan.line) or self._line(plan)
        line.in_flight += 1
        breaker = line.breaker
        return Trial(self, plan, line, breaker.opened_s is not None and breaker.begin(self._clock.monotonic()))

    # What is learned without a trial

    def saw_answer(self, plan: Plan, status: int, headers: Headers, took_s: float | None = None) -> None:
        """Read the limits that an answer tells, and its time if it was a success; blames nobody."""
        self._saw(self._line(plan), headers, took_s if status < 400 else None)

    def rest(self, plan: Plan, for_s: float, *, all_models: bool = False) -> None:
        """(quota owner, model) takes no calls for so long, or the quota owner as a whole. Never shortens a rest."""
        key = (_owner(plan), None if all_models else plan.model or "")
        self._rests[key] = max(self._rests.get(key, 0.0), self._clock.monotonic() + for_s)
        if len(self._rests) > _MOST_ROUTES:
            now_s = self._clock.monotonic()
            self._rests = {key: until_s for key, until_s in self._rests.items() if until_s > now_s}

    def pause(self, account: Account, for_s: float) -> None:
        """The operator's limit on this account is reached; its organisation's other keys may still serve."""
        self._paused[account.id] = self._clock.monotonic() + for_s

    def quarantine(self, account: Account, for_s: float = QUARANTINE_S) -> None:
        """Its key was refused. Ends when the key is set anew; after `for_s`, if it could not be written down until then."""
        self._quarantined[account.id] = (self._clock.monotonic() + for_s, account.key_set_at)
        self.on_refused(account)

    def is_quarantined(self, account: Account) -> bool:
        now_s = self._clock.monotonic()
        return self._quarantine(account, now_s) > now_s

    def release(self, account_id: str) -> None:
        """The account was tested and works, or its quarantine is written down."""
        self._quarantined.pop(account_id, None)

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """For the console: routes with their state, rests, quarantined accounts; seconds from now."""
        now_s = self._clock.monotonic()
        routes = [
            {
                "account": account,
                "model": model,
                "breaker": str(line.breaker.state(now_s)),
                "in_flight": line.in_flight,
                "failure_rate": round(line.failure_rate, 3),
                "took_s": None if line.took_s is None else round(line.took_s, 3),
                "headroom": {kind.decode(): round(seen.share(now_s), 3) for kind, seen in line.headroom.items()},
                "resets_s": {kind.decode(): round(max(0.0, seen.reset_s - now_s), 1) for kind, seen in line.headroom.items()},
            }
            for (account, model), line in self._lines.items()
        ]
        rests = [
            {"quota_owner": owner, "model": model, "for_s": round(until_s - now_s, 1)}
            for (owner, model), until_s in self._rests.items()
            if until_s > now_s
        ]
        refused = {account: until_s - now_s for account, (until_s, _) in self._quarantined.items() if until_s > now_s}
        quarantined = [{"account": account, "for_s": round(for_s, 1)} for account, for_s in (refused | dict(self.stored())).items()]
        return {"routes": routes, "rests": rests, "quarantined": quarantined}

    def _succeeded(self, line: _Line, headers: Headers, took_s: float | None) -> None:
        line.breaker.succeeded()
        line.failure_rate *= 0.8
        self._saw(line, headers, took_s)

    def _judged(self, plan: Plan, line: _Line, verdict: Verdict, headers: Headers, probe: bool) -> None:
        self._saw(line, headers, None)
        outcome = verdict.outcome
        if outcome in (Outcome.RETRY, Outcome.AMBIGUOUS, Outcome.NOT_SENT):
            line.failure_rate = line.failure_rate * 0.8 + 0.2
            line.breaker.failed(self._clock.monotonic(), probe)
            if outcome is Outcome.RETRY and verdict.retry_after_s:
                self.rest(plan, verdict.retry_after_s)
            return
        if outcome is Outcome.FORBIDDEN:  # nobody was asked
            line.breaker.abandoned(probe)
            return
        # The upstream is there and answers: that is all a breaker asks.
        line.breaker.succeeded()
        if outcome is Outcome.REST:
            self.rest(plan, REST_S if verdict.retry_after_s is None else verdict.retry_after_s)
        elif outcome is Outcome.REST_QUOTA_OWNER:
            self.rest(plan, max(QUOTA_REST_S, verdict.retry_after_s or 0.0), all_models=True)
        elif outcome is Outcome.QUARANTINE and plan.account is not None:
            self.quarantine(plan.account)

    def _saw(self, line: _Line, headers: Headers, took_s: float | None) -> None:
        now_s = self._clock.monotonic()
        line.seen_s = now_s
        if said := headroom_of(headers, now_s):
            line.headroom |= said
        if took_s is not None:
            line.took_s = took_s if line.took_s is None else line.took_s * 0.8 + took_s * 0.2

    def _quarantine(self, account: Account, now_s: float) -> float:
        """Until when (monotonic); a key set anew has refused nobody yet."""
        if account.quarantined_at is not None:
            return now_s + QUARANTINE_S
        until_s, key_set_at = self._quarantined.get(account.id, (-math.inf, None))
        return until_s if key_set_at == account.key_set_at else -math.inf

    def _line(self, plan: Plan) -> _Line:
        key = plan.line
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _MOST_ROUTES:  # model names may be invented without end
                oldest = sorted((line.seen_s, key) for key, line in self._lines.items() if not line.in_flight)
                for _, old in oldest[: _MOST_ROUTES // 10]:
                    del self._lines[old]
            line = self._lines[key] = _Line(Breaker(self._limits), seen_s=self._clock.monotonic())
        return line


def _owner(plan: Plan) -> str:
    """Who rests. Quota owners are named per provider: the same name elsewhere is another organisation."""
    return f"{plan.provider.id}:{plan.account.rests_as if plan.account is not None else ''}"

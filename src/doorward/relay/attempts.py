"""Attempts of one call, one after another, until one starts or none may follow.

Trip     which attempt comes next            Sender   one request, sent once
Resend   whether another may follow at all   Meter    what its answer costs
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from msgspec import Struct, field

from doorward.core.clock import Clock
from doorward.core.exchange import Exchange, Reply
from doorward.core.money import Nanos
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.unbroken import unbroken
from doorward.providers.route import Plan
from doorward.relay.account_limits import AccountLimits, Place
from doorward.relay.answer import read_error, reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.late import Deadline
from doorward.relay.meter import Meter
from doorward.relay.refused import Refused, key_refused, nothing_usable
from doorward.relay.resend import Next, RetryBudget
from doorward.relay.trip import Step, Trip
from doorward.upstream.classify import Outcome, classify_answer, classify_error
from doorward.upstream.concealed import Concealed
from doorward.upstream.health import Health, Trial
from doorward.upstream.port import TransportError
from doorward.wire.endpoints import Endpoint

_TIMERS_S = 0.002
"""Event loops wake up to a millisecond early; what was told to wait is not asked before its time."""


class Call(Struct, eq=False):
    """What stays the same over all attempts of one call."""

    exchange: Exchange
    endpoint: Endpoint
    entry: Entry
    trip: Trip
    places: list[Place] = field(default_factory=list)
    """What its attempts took of their accounts' limits."""


class Started(Struct, eq=False):
    """An attempt whose answer has begun. `close` drops what was not read, and tells when the attempt ended."""

    plan: Plan
    attempt: Attempt
    incoming: Concealed
    reply: Reply
    clock: Clock
    trial: Trial

    def close(self) -> None:
        self.incoming.close()
        attempt = self.attempt
        if attempt.ended_s is None:
            attempt.ended_s = self.clock.monotonic()
            if attempt.state is AttemptState.AMBIGUOUS:
                self.trial.died()
        self.trial.over()


class Attempts:
    """`account_limits`: the operator's own bounds on accounts. `budget` rations what is sent again."""

    def __init__(
        self,
        sender: Sender,
        balance: Balance,
        health: Health,
        meter: Meter,
        clock: Clock,
        account_limits: AccountLimits,
        budget: RetryBudget,
    ) -> None:
        self._sender = sender
        self._balance = balance
        self._health = health
        self._meter = meter
        self._clock = clock
        self._account_limits = account_limits
        self._budget = budget

    async def following(self, call: Call) -> Step | None:
        """The next attempt when its time has come, or `None`: none is left, or there is no money for one more."""
        trip, entry = call.trip, call.entry
        while (step := trip.next(self._health, self._balance, self._budget)) is not None:
            if not await self._is_covered(entry):
                return None
            if step.wait_s > 0:
                trip.waited_s += step.wait_s
                entry.note("wait", s=round(step.wait_s, 3), provider=step.plan.provider.id)
                await asyncio.sleep(step.wait_s + _TIMERS_S)
                if not self._health.usable(step.plan):
                    continue  # others found it ill meanwhile, or its one probe is under way
            limits = self._account_limits.of(step.plan)
            if not limits:
                return step
            busy_s = await self._account_limits.take(step.plan, limits, call.exchange, entry, call.places)
            if busy_s is None:
                return step
            assert step.plan.account is not None
            self._health.pause(step.plan.account, busy_s)
        return None

    @staticmethod
    async def _is_covered(entry: Entry) -> bool:
        """Budgets hold for each attempt that may be billed beside those that may have been."""
        if entry.cover is None or not entry.attempts:
            return True
        maybe_billed = sum(_counts(attempt) for attempt in entry.attempts)
        if maybe_billed and not await entry.cover(maybe_billed):
            entry.note("no_money", after=maybe_billed)
            return False
        return True

    async def start(self, call: Call) -> Started | Refused:
        """Attempts until one starts or none may follow."""
        refused: Refused | None = None
        trip = call.trip
        while (step := await self.following(call)) is not None:
            outcome = await self.attempt(step.plan, call, call.exchange)
            if isinstance(outcome, Started):
                return outcome
            refused = outcome
            if trip.ended(step.plan, outcome.verdict) is Next.STOP:
                break
        if refused is None:
            plans = trip.route.plans
            if all(plan.account is not None and self._health.is_quarantined(plan.account) for plan in plans):
                raise key_refused(plans[0])  # the same words as when it was refused, until it is set again
            raise nothing_usable(trip.route, trip.soonest_s(self._health))
        return refused

    async def attempt(self, plan: Plan, call: Call, exchange: Exchange) -> Started | Refused:
        """One request, sent once. Never raises for what the upstream does."""
        trip, entry = call.trip, call.entry
        route, now_s = trip.route, self._clock.monotonic()
        attempt = self._record(plan, entry, now_s)
        trip.made.append((plan, now_s))
        trial = self._health.begin(plan)
        incoming: Concealed | None = None
        started = False
        limits = route.limits
        try:
            incoming = await self._sender.send(plan, exchange, call.endpoint, limits, attempt, max(0.001, trip.until_s - now_s))
            if (upstream_id := incoming.named.get(b"x-request-id")) is not None:
                attempt.upstream_id = upstream_id.decode("latin-1") or None
            deadline = Deadline(self._clock, now_s, trip.until_s, limits, exchange.asks.stream)
            if incoming.status >= 400:
                return await self._refused(plan, attempt, incoming, deadline, trial)
            holds = route.has_fallback or route.rescue
            reply = await reply_of(incoming, call.endpoint, attempt, deadline, exchange.asks.n, hold=holds)
            trial.succeeded(incoming.headers, self._clock.monotonic() - now_s)
            entry.model_served = plan.model
            reply = self._meter.through(reply, entry, attempt, call.endpoint)
            started = True
            return Started(plan, attempt, incoming, reply, self._clock, trial)
        except TransportError as cause:
            verdict = classify_error(cause)
            attempt.state = AttemptState.AMBIGUOUS if verdict.outcome is Outcome.AMBIGUOUS else AttemptState.FAILED
            attempt.reason = verdict.reason
            trial.judged(verdict)
            return Refused(plan, verdict, None, b"", cause)
        finally:
            if not started:
                trial.over()
                attempt.ended_s = self._clock.monotonic()
                if incoming is not None:
                    incoming.close()

    async def _refused(self, plan: Plan, attempt: Attempt, incoming: Concealed, deadline: Deadline, trial: Trial) -> Refused:
        body = await read_error(incoming, deadline)
        verdict = classify_answer(incoming.status, incoming.headers, body, self._clock.wall())
        attempt.state = AttemptState.AMBIGUOUS if verdict.outcome is Outcome.AMBIGUOUS else AttemptState.FAILED
        attempt.reason = verdict.reason
        trial.judged(verdict, incoming.headers)
        return Refused(plan, verdict, incoming, body)

    @staticmethod
    def _record(plan: Plan, entry: Entry, now_s: float) -> Attempt:
        account = plan.account
        attempt = Attempt(len(entry.attempts) + 1, plan.provider.id, account.id if account else None, plan.model, now_s)
        if entry.held is not None:
            before = entry.attempts
            taken = sum([earlier.held or 0 for earlier in before if _counts(earlier)]) if before else 0
            attempt.held = Nanos(max(0, entry.held - taken))
        entry.begins(attempt)
        return attempt

    async def leave(self, call: Call) -> None:
        await unbroken(self._account_limits.settle(call.entry, call.places))


class Answering:
    """The block in which an answer is read. Hand-written, because every call passes here."""

    __slots__ = ("_attempts", "_call", "_started")

    def __init__(self, attempts: Attempts, call: Call) -> None:
        self._attempts = attempts
        self._call = call
        self._started: Started | None = None

    async def __aenter__(self) -> Reply:
        outcome = await self._attempts.start(self._call)
        if isinstance(outcome, Refused):
            return outcome.reply(self._call.entry)
        self._started = outcome
        return outcome.reply

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._started is not None:
            self._started.close()
        if self._call.places:
            await self._attempts.leave(self._call)


def _counts(attempt: Attempt) -> bool:
    """It may have been billed, or nobody knows."""
    return attempt.may_be_billed or attempt.state is AttemptState.AMBIGUOUS

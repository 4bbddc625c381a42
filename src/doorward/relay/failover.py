"""Attempts, one after another, until one starts; then, on routes that opted in, what follows a stream that died.

Trip     which attempt comes next            Sender   one request, sent once
Resend   whether another may follow at all   Gate     the status is held for the first event, but not for ever
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType

from doorward.core.clock import Clock
from doorward.core.exchange import Exchange, Reply, header
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.model_facts import ModelFacts
from doorward.providers.route import Plan, Route
from doorward.relay.answer import Deadline, read_error, reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.gate import Gate
from doorward.relay.meter import Meter
from doorward.relay.refused import Refused, nothing_usable
from doorward.relay.rescue import Rescue
from doorward.relay.resend import Next, RetryBudget
from doorward.relay.trip import Step, Trip
from doorward.upstream.classify import Outcome, classify_answer, classify_error
from doorward.upstream.health import Health
from doorward.upstream.health import Trial as HealthTrial
from doorward.upstream.port import Incoming, TransportError
from doorward.wire.endpoints import Endpoint


@dataclass(slots=True)
class Call:
    """What stays the same over all attempts of one call."""

    exchange: Exchange
    endpoint: Endpoint
    entry: Entry
    trip: Trip


@dataclass(slots=True)
class Started:
    """An attempt whose answer has begun. `close` drops what was not read, and tells when the attempt ended."""

    plan: Plan
    attempt: Attempt
    incoming: Incoming
    reply: Reply
    clock: Clock

    def close(self) -> None:
        self.incoming.close()
        if self.attempt.ended_s is None:
            self.attempt.ended_s = self.clock.monotonic()


class Answering:
    """The block in which an answer is read. Hand-written, because every call passes here."""

    __slots__ = ("_call", "_failover", "_started")

    def __init__(self, failover: Failover, call: Call) -> None:
        self._failover = failover
        self._call = call
        self._started: Started | None = None

    async def __aenter__(self) -> Reply:
        outcome = await self._failover.start(self._call)
        if isinstance(outcome, Refused):
            return outcome.reply(self._call.entry)
        self._started = outcome
        return outcome.reply

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._started is not None:
            self._started.close()


class Failover:
    def __init__(
        self,
        sender: Sender,
        balance: Balance,
        health: Health,
        meter: Meter,
        facts: ModelFacts,
        clock: Clock,
        *,
        retry_wait_s: float = 20.0,
        gate_s: float = 15.0,
        rng: random.Random | None = None,
    ) -> None:
        self._sender = sender
        self._balance = balance
        self._health = health
        self._meter = meter
        self._facts = facts
        self._clock = clock
        self._retry_wait_s = retry_wait_s
        self._gate = Gate(gate_s)
        self._budget = RetryBudget(clock)
        self._rng = rng or random.Random()  # noqa: S311  spreads waits, guards nothing
        self._rescue = Rescue(self, facts)

    def open(self, route: Route, exchange: Exchange, endpoint: Endpoint, entry: Entry) -> AbstractAsyncContextManager[Reply]:
        """The first attempt that starts, or the last refusal. Leaving drops what was not read."""
        call = Call(exchange, endpoint, entry, Trip(route, self._clock, self._retry_wait_s, self._rng, self._facts))
        answering = self._rescue.through(call) if route.rescue and exchange.asks.stream else Answering(self, call)
        return self._gate.through(answering) if route.has_fallback and exchange.asks.stream else answering

    async def following(self, call: Call) -> Step | None:
        """The next attempt when its time has come, or `None`: none is left, or there is no money for one more."""
        step = call.trip.next(self._health, self._balance, self._budget)
        if step is None:
            return None
        entry = call.entry
        maybe_billed = sum(attempt.state is AttemptState.AMBIGUOUS for attempt in entry.attempts)
        if maybe_billed and entry.cover is not None and not await entry.cover(maybe_billed):
            entry.note("no_money", after=maybe_billed)
            return None
        if step.wait_s > 0:
            call.trip.waited_s += step.wait_s
            entry.note("wait", s=round(step.wait_s, 3), provider=step.plan.provider.id)
            await asyncio.sleep(step.wait_s)
        return step

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
            raise nothing_usable(trip.route, trip.soonest_s(self._health))
        return refused

    async def attempt(self, plan: Plan, call: Call, exchange: Exchange) -> Started | Refused:
        """One request, sent once. Never raises for what the upstream does."""
        call.trip.begins(plan)
        attempt = self._record(plan, call.entry)
        trial = self._health.begin(plan)
        incoming: Incoming | None = None
        started = False
        try:
            incoming = await self._sender.send(plan, exchange, call.endpoint, call.trip.route.limits, attempt)
            attempt.upstream_id = (header(incoming.headers, b"x-request-id") or b"").decode("latin-1") or None
            deadline = Deadline(self._clock, attempt.started_s, call.trip.route.limits, exchange.asks.stream)
            if incoming.status >= 400:
                return await self._refused(plan, attempt, incoming, deadline, trial)
            holds = call.trip.route.has_fallback or call.trip.route.rescue
            reply = await reply_of(incoming, call.endpoint, attempt, deadline, exchange.asks.n, hold=holds)
            attempt.first_event_s = self._clock.monotonic()
            trial.succeeded(incoming.headers, attempt.first_event_s - attempt.started_s)
            call.entry.model_served = plan.model
            metered = self._meter.through(reply, call.entry, attempt, call.endpoint)
            started = True
            return Started(plan, attempt, incoming, metered, self._clock)
        except TransportError as cause:
            verdict = classify_error(cause)
            attempt.state = AttemptState.AMBIGUOUS if verdict.outcome is Outcome.AMBIGUOUS else AttemptState.FAILED
            attempt.reason = verdict.reason
            trial.judged(verdict)
            return Refused(plan, verdict, None, b"", cause)
        finally:
            trial.abandoned()
            if not started:
                attempt.ended_s = self._clock.monotonic()
                if incoming is not None:
                    incoming.close()

    async def _refused(self, plan: Plan, attempt: Attempt, incoming: Incoming, deadline: Deadline, trial: HealthTrial) -> Refused:
        body = await read_error(incoming, deadline)
        verdict = classify_answer(incoming.status, incoming.headers, body, self._clock.wall())
        attempt.state = AttemptState.AMBIGUOUS if verdict.outcome is Outcome.AMBIGUOUS else AttemptState.FAILED
        attempt.reason = verdict.reason
        trial.judged(verdict, incoming.headers)
        return Refused(plan, verdict, incoming, body)

    def _record(self, plan: Plan, entry: Entry) -> Attempt:
        account_id = plan.account.id if plan.account else None
        attempt = Attempt(len(entry.attempts) + 1, plan.provider.id, account_id, plan.model, self._clock.monotonic())
        entry.attempts.append(attempt)
        return attempt

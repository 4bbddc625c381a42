"""Attempts, one after another, until one starts. Whether another may follow depends on how the last one ended (R10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Exchange, Reply, header
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.route import Plan, Route
from doorward.relay.answer import Deadline, error_reply, lost, read_error, reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.meter import Meter
from doorward.upstream.classify import Outcome, Verdict, classify_answer, classify_error
from doorward.upstream.port import Incoming, TransportError
from doorward.wire.endpoints import Endpoint


class Failover:
    def __init__(self, sender: Sender, balance: Balance, meter: Meter, clock: Clock) -> None:
        self._sender = sender
        self._balance = balance
        self._meter = meter
        self._clock = clock

    @asynccontextmanager
    async def open(self, route: Route, exchange: Exchange, endpoint: Endpoint, entry: Entry) -> AsyncIterator[Reply]:
        """The first attempt that starts, or the last one's refusal. Leaving drops what was not read."""
        last: Refused | None = None
        for plan in self._balance.order(route.plans):
            attempt = self._begin(plan, entry)
            outcome = await self._try(plan, route, exchange, endpoint, attempt)
            if isinstance(outcome, Refused):
                last = outcome
                if outcome.verdict.outcome.elsewhere:
                    continue
                break
            incoming, reply = outcome
            entry.model_served = plan.model
            try:
                yield self._meter.through(reply, entry, attempt, endpoint)
            finally:
                incoming.close()
                attempt.ended_s = self._clock.monotonic()
            return
        assert last is not None
        yield last.reply(entry)

    def _begin(self, plan: Plan, entry: Entry) -> Attempt:
        account_id = plan.account.id if plan.account else None
        attempt = Attempt(len(entry.attempts) + 1, plan.provider.id, account_id, plan.model, self._clock.monotonic())
        entry.attempts.append(attempt)
        return attempt

    async def _try(
        self, plan: Plan, route: Route, exchange: Exchange, endpoint: Endpoint, attempt: Attempt
    ) -> tuple[Incoming, Reply] | Refused:
        """Raises `UpstreamLost` or `UpstreamSilent` for an ambiguous loss: nobody may send such a call again."""
        incoming: Incoming | None = None
        try:
            incoming = await self._sender.send(plan, exchange, endpoint, route.limits, attempt)
            streamed = exchange.asks.stream
            deadline = Deadline(self._clock, attempt.started_s, route.limits, streamed)
            attempt.upstream_id = (header(incoming.headers, b"x-request-id") or b"").decode("latin-1") or None
            if incoming.status < 400:
                reply = await reply_of(incoming, endpoint, attempt, deadline, exchange.asks.n)
                attempt.first_event_s = self._clock.monotonic()
                return incoming, reply
            body = await read_error(incoming, deadline)
            verdict = classify_answer(incoming.status, incoming.headers, body, self._clock.wall())
            attempt.state = AttemptState.FAILED
            attempt.reason = verdict.reason
            attempt.ended_s = self._clock.monotonic()
            return Refused(plan, verdict, incoming, body)
        except TransportError as cause:
            verdict = classify_error(cause)
            attempt.reason = verdict.reason
            attempt.ended_s = self._clock.monotonic()
            if verdict.outcome is Outcome.AMBIGUOUS:
                attempt.state = AttemptState.AMBIGUOUS
                raise lost(cause) from cause
            attempt.state = AttemptState.FAILED
            return Refused(plan, verdict, None, b"")
        except BaseException:
            attempt.ended_s = self._clock.monotonic()
            raise
        finally:
            if incoming is not None and attempt.state in (AttemptState.FAILED, AttemptState.AMBIGUOUS, AttemptState.HEADERS):
                incoming.close()


class Refused:
    """An attempt that ended without an answer to pass on: the upstream's error, or nothing sent at all."""

    def __init__(self, plan: Plan, verdict: Verdict, incoming: Incoming | None, body: bytes) -> None:
        self.verdict = verdict
        self._plan = plan
        self._incoming = incoming
        self._body = body

    def reply(self, entry: Entry) -> Reply:
        """The upstream's error as it came, scrubbed; our own words where its words would mislead (R21)."""
        if self._incoming is None:
            raise UpstreamFailed(f"{self._plan.provider.id} could not be reached: {self.verdict.reason}. Nothing was sent.")
        if self.verdict.outcome is Outcome.QUARANTINE:
            raise self._key_refused()
        entry.error_code = self.verdict.code
        return error_reply(self._incoming, self._body)

    def _key_refused(self) -> DoorwardError:
        account = self._plan.account
        if account is not None and account.owner.startswith("user:"):
            return UpstreamKeyRefused(f"{self._plan.provider.name} refused your stored key. Set it again.")
        return UpstreamCredentialsRefused(f"{self._plan.provider.name} refused the operator's key. The operator must replace it.")

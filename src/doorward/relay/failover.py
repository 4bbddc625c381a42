"""Attempts, one after another, until one starts. Whether another may follow depends on how the last one ended (R10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.route import Plan, Route
from doorward.relay.answer import Deadline, error_reply, lost, reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.meter import Meter
from doorward.upstream.classify import Outcome, Verdict, classify_answer
from doorward.upstream.health import Health
from doorward.upstream.port import Incoming, Lost, Silent, Unreachable
from doorward.wire.endpoints import Endpoint

_NEXT_ACCOUNT = frozenset({Outcome.RETRY, Outcome.REST, Outcome.REST_QUOTA_OWNER, Outcome.QUARANTINE})
"""A complete refusal without usage: nothing was billed, so another account may be asked."""


class Failover:
    def __init__(self, sender: Sender, balance: Balance, health: Health, meter: Meter, clock: Clock) -> None:
        self._sender = sender
        self._balance = balance
        self._health = health
        self._meter = meter
        self._clock = clock

    @asynccontextmanager
    async def open(self, route: Route, exchange: Exchange, endpoint: Endpoint, entry: Entry) -> AsyncIterator[Reply]:
        """The first attempt that starts, or the last one's refusal. Leaving drops what was not read."""
        incoming, reply = await self._first_that_starts(route, exchange, endpoint, entry)
        try:
            yield reply
        finally:
            incoming.close()
            entry.attempts[-1].ended_s = self._clock.monotonic()

"""Where a call's answer comes from: the first attempt that starts; then, on routes that opted in, what follows a stream that died.

Attempts   until one starts              Rescue   a stream goes on from another attempt
                                         Gate     the status is held for the first event, but not for ever
"""

from __future__ import annotations

import random
from contextlib import AbstractAsyncContextManager

from doorward.core.clock import Clock
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.providers.model_facts import ModelFacts
from doorward.providers.route import Route
from doorward.relay.account_limits import AccountLimits
from doorward.relay.attempt import Sender
from doorward.relay.attempts import Answering, Attempts, Call
from doorward.relay.balance import Balance
from doorward.relay.gate import Gate
from doorward.relay.meter import Meter
from doorward.relay.rescue import Rescue
from doorward.relay.resend import RetryBudget
from doorward.relay.trip import Trip
from doorward.upstream.health import Health
from doorward.wire.endpoints import Endpoint


class Failover:
    """`gate_s`: how long a status is held for the first event. `account_limits`: the operator's own bounds on accounts."""

    def __init__(
        self,
        sender: Sender,
        balance: Balance,
        health: Health,
        meter: Meter,
        facts: ModelFacts,
        clock: Clock,
        account_limits: AccountLimits,
        *,
        retry_wait_s: float = 20.0,
        gate_s: float = 15.0,
        rng: random.Random | None = None,
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._retry_wait_s = retry_wait_s
        self._rng = rng or random.Random()  # noqa: S311  spreads waits, guards nothing
        self._budget = RetryBudget(clock)
        self._attempts = Attempts(sender, balance, health, meter, clock, account_limits, self._budget)
        self._rescue = Rescue(self._attempts, facts)
        self._gate = Gate(gate_s)

    def open(self, route: Route, exchange: Exchange, endpoint: Endpoint, entry: Entry) -> AbstractAsyncContextManager[Reply]:
        """The first attempt that starts, or the last refusal. Leaving drops what was not read."""
        until_s = entry.started_s + route.limits.total_s
        self._budget.call()
        call = Call(exchange, endpoint, entry, Trip(route, self._clock, self._retry_wait_s, self._rng, self._facts, until_s))
        answering = self._rescue.through(call) if route.rescue and exchange.asks.stream else Answering(self._attempts, call)
        return self._gate.through(answering) if route.has_fallback and exchange.asks.stream else answering

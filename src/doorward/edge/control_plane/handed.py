"""What groups of nouns are handed beside what all share: of money, of traffic, of the console, of the pages' shell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from doorward.adapters.watch import Adapters
from doorward.core.caller import Caller
from doorward.core.exchange import Exchange
from doorward.edge.signposts import Signposts
from doorward.ledger.budgets import Budgets
from doorward.ledger.estimates import Estimates
from doorward.ledger.overview import Overviews
from doorward.ledger.treasury import Treasury
from doorward.providers.route import Route
from doorward.store.tallies import Tallies
from doorward.store.user_ways import UserWays
from doorward.upstream.health import Health
from doorward.wire.endpoints import Endpoint

MOST_WATCHERS = 50
"""Pages that follow the overview live, each one query a second."""


@dataclass(frozen=True, slots=True)
class Console:
    overviews: Overviews
    tallies: Tallies
    health: Health
    adapters: Adapters
    ways: UserWays
    is_draining: Callable[[], bool]
    watchers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_WATCHERS))


@dataclass(frozen=True, slots=True)
class Money:
    treasury: Treasury
    budgets: Budgets
    estimates: Estimates


@dataclass(frozen=True, slots=True)
class Road:
    signposts: Signposts
    health: Health
    route: Callable[[Exchange, Caller, Endpoint], Awaitable[Route]]
    """Where a call would go, without making it."""
    forget_answers: Callable[[str], Awaitable[None]]
    """Owner -> nothing that was cached for its calls is given again, in any process."""


@dataclass(frozen=True, slots=True)
class Shell:
    default_model: str
    models: Callable[[Caller], Awaitable[Sequence[tuple[str, str]]]]
    """What a caller can use: (model, provider id)."""

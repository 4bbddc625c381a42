"""Limits that calls draw on: take all or none, adjust after, give seats back.

One port, two implementations (`memory`, `redis`), one contract suite (tests/shared/test_counters_contract.py).

Rates are GCRA: a limit of 60 a minute allows 60 at once and one more each second. Amounts are tokens or requests.
Seats are concurrency: each has an id and a time to live, so that one whose holder died comes free by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["requests", "tokens", "seats"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`name` is the counter; two limits with one name share it. `window_s` is 0 for seats."""

    name: str
    kind: Kind
    most: int
    window_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Want:
    limit: Limit
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Level:
    """What a limit had left after the call, and when it is full again."""

    limit: Limit
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """`refused` is the limit that had too little, `None` if everything was taken. All or none."""

    levels: tuple[Level, ...]
    refused: Limit | None = None
    retry_after_s: float | None = None
    """When the refused amount would fit; `None`: never (it is larger than the limit), or unknown (seats)."""


class Counters(Protocol):
    async def take(self, wants: Sequence[Want], seat: str) -> Taken:
        """All of `wants`, or none. `seat` names the holder of seats, unique to a call."""

    async def adjust(self, wants: Sequence[Want]) -> None:
        """True up after the fact: amounts may be negative. Never refuses; a level may go below zero."""

    async def keep(self, limits: Sequence[Limit], seat: str) -> None:
        """The holder is alive: its seats live on."""

    async def leave(self, limits: Sequence[Limit], seat: str) -> None:
        """Give seats back. Idempotent."""

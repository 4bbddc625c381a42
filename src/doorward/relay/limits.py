"""Limits on callers (R32): requests, tokens and calls at once, taken before a call and trued up after it.

Tokens are held by estimate (a token is about four bytes, and what the call may put out at most), then set to what was
used. Seats are kept alive while their call is open and given back when it ends, in every way it can end.
"""

from __future__ import annotations

import asyncio
import math
from functools import lru_cache
from types import TracebackType

from doorward.core.caller import NO_LIMITS, Caller, KeyLimits
from doorward.core.errors import ConcurrencyExceeded, DoorwardError, LimitExceeded, TokensExceeded
from doorward.core.exchange import Exchange, Header, Reply
from doorward.ledger.entry import Entry
from doorward.shared.counters import Counters, Level, Limit, Taken, Want

MINUTE_S, DAY_S = 60.0, 86_400.0
_BYTES_A_TOKEN = 4
_SEAT_FREES_S = 1.0
"""What a caller is told to wait for a seat: nobody knows when one frees, and asking again is cheap."""


@lru_cache(maxsize=10_000)
def limits_of(who: str, bounds: KeyLimits) -> tuple[Limit, ...]:
    """A key's bounds as limits; `who` is ``key:<public id>``."""
    rows: tuple[tuple[str, str, int | None, float], ...] = (
        ("rpm", "requests", bounds.rpm, MINUTE_S),
        ("rpd", "requests", bounds.rpd, DAY_S),
        ("tpm", "tokens", bounds.tpm, MINUTE_S),
        ("tpd", "tokens", bounds.tpd, DAY_S),
        ("seats", "seats", bounds.concurrency, 0.0),
    )
    return tuple(
        Limit(f"{who}:{name}", kind, most, window_s)  # type: ignore[arg-type]  # the rows above are of the literal kinds
        for name, kind, most, window_s in rows
        if most is not None
    )


def estimate_tokens(exchange: Exchange) -> int:
    asks = exchange.asks
    return exchange.body.size // _BYTES_A_TOKEN + (asks.max_output_tokens or 0) * asks.n


class Limits:
    """`run` belongs to the app's tasks: it keeps the seats of open calls alive."""

    def __init__(self, counters: Counters, keep_every_s: float = 40.0) -> None:
        self._counters = counters
        self._keep_every_s = keep_every_s
        self._open: dict[str, tuple[Limit, ...]] = {}

    def slot(self, caller: Caller, exchange: Exchange, entry: Entry) -> Slot:
        """Enter to take, leave to true up. Raises a 429 of `core.errors` that says which limit, and when it frees."""
        limits = () if caller.limits is NO_LIMITS else limits_of(f"key:{caller.key_id}", caller.limits)
        return Slot(self, limits, exchange, entry)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._keep_every_s)
            for seat, limits in list(self._open.items()):
                await self._counters.keep(limits, seat)

    async def take(self, limits: tuple[Limit, ...], tokens: int, seat: str) -> Taken:
        wants = [Want(limit, tokens if limit.kind == "tokens" else 1) for limit in limits]
        taken = await self._counters.take(wants, seat)
        if taken.refused is None and (seats := tuple(limit for limit in limits if limit.kind == "seats")):
            self._open[seat] = seats
        return taken

    async def settle(self, limits: tuple[Limit, ...], held: int, used: int, seat: str) -> None:
        seats = self._open.pop(seat, ())
        if seats:
            await self._counters.leave(seats, seat)
        if used != held:
            await self._counters.adjust([Want(limit, used - held) for limit in limits if limit.kind == "tokens"])


class Slot:
    """One call's place under its key's limits."""

    __slots__ = ("_entry", "_exchange", "_held", "_levels", "_limits", "_of", "_seat")

    def __init__(self, of: Limits, limits: tuple[Limit, ...], exchange: Exchange, entry: Entry) -> None:
        self._of = of
        self._limits = limits
        self._exchange = exchange
        self._entry = entry
        self._seat = entry.id
        self._held = 0
        self._levels: tuple[Level, ...] = ()

    async def __aenter__(self) -> Slot:
        if self._limits:
            self._held = estimate_tokens(self._exchange)
            taken = await self._of.take(self._limits, self._held, self._seat)
            self._levels = taken.levels
            levels = {level.limit.name.rsplit(":", 1)[1]: [level.remaining, level.limit.most] for level in taken.levels}
            self._entry.note("limits", left=levels)
            if taken.refused is not None:
                raise refusal(taken)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._limits:
            used = sum(a.usage.input_tokens + a.usage.output_tokens for a in self._entry.attempts if a.usage is not None)
            await asyncio.shield(self._of.settle(self._limits, self._held, used, self._seat))

    def show(self, reply: Reply) -> Reply:
        """OpenAI's `x-ratelimit-*`: ours where the key has limits, in place of the upstream's; and what we did."""
        headers = reply.headers
        if self._levels:
            headers = [item for item in headers if not item[0].startswith(b"x-ratelimit-")] + self._ours()
        attempts = len(self._entry.attempts)
        headers = [*headers, (b"x-doorward-cache", self._entry.cache.encode()), (b"x-doorward-attempts", b"%d" % attempts)]
        reply.headers = headers
        return reply

    def _ours(self) -> list[Header]:
        ours: list[Header] = []
        for kind, word in (("requests", b"requests"), ("tokens", b"tokens")):
            levels = [level for level in self._levels if level.limit.kind == kind]
            if levels:
                tightest = min(levels, key=lambda level: level.remaining)
                ours += [
                    (b"x-ratelimit-limit-" + word, b"%d" % tightest.limit.most),
                    (b"x-ratelimit-remaining-" + word, b"%d" % tightest.remaining),
                    (b"x-ratelimit-reset-" + word, duration(tightest.reset_s)),
                ]
        return ours


def duration(seconds: float) -> bytes:
    """Seconds in OpenAI's spelling: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return b"%dms" % math.ceil(seconds * 1000)
    minutes, rest = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, math.ceil(rest)) if minutes else f"{rest:.3g}s".encode()


def refusal(taken: Taken) -> DoorwardError:
    limit, wait_s = taken.refused, taken.retry_after_s
    assert limit is not None
    if limit.kind == "seats":
        return ConcurrencyExceeded(
            f"This key may have {limit.most} calls open at once, and has. Wait for one to end.", retry_after_s=_SEAT_FREES_S
        )
    per = "minute" if limit.window_s == MINUTE_S else "day"
    if wait_s is None:
        return TokensExceeded(
            f"The request needs more tokens than this key's {limit.most:,} a {per} can ever hold. Send less at once."
        )
    freed = f"Try again in {wait_s:.3g} s." if wait_s < 120 else f"Try again in {math.ceil(wait_s / 60)} minutes."
    error = TokensExceeded if limit.kind == "tokens" else LimitExceeded
    return error(f"This key's limit of {limit.most:,} {limit.kind} a {per} is reached. {freed}", retry_after_s=wait_s)

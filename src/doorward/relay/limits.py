"""Limits on callers (R32): requests, tokens and calls at once, taken before a call and trued up after it.

Tokens are held by estimate (a token is about four bytes, and what the call may put out at most), then set to what was
used. Seats are kept alive while their call is open and given back when it ends, in every way it can end.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType

from msgspec import Struct

from doorward.core.caller import NO_LIMITS, Caller, KeyLimits
from doorward.core.errors import ConcurrencyExceeded, DoorwardError, LimitExceeded, TokensExceeded
from doorward.core.exchange import Exchange, Header, Reply
from doorward.core.money import usd_text
from doorward.ledger.entry import Entry
from doorward.ledger.unbroken import unbroken
from doorward.providers.provider import Account
from doorward.shared.counters import Counters, Level, Limit, Taken, Want

MINUTE_S, DAY_S = 60.0, 86_400.0
_BYTES_A_TOKEN = 4
_SEAT_FREES_S = 1.0
"""What a caller is told to wait for a seat: nobody knows when one frees, and asking again is cheap."""
_CACHE: dict[str, Header] = {said: (b"x-doorward-cache", said.encode()) for said in ("hit", "miss", "joined", "off")}


@lru_cache(maxsize=10_000)
def limits_of(who: str, bounds: KeyLimits) -> tuple[Limit, ...]:
    """Bounds as limits; `who` is ``key:<public id>``, ``user:<id>`` or ``account:<id>``."""
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
    """`run` belongs to the app's tasks: it keeps the seats of open calls alive.

    `bounds` tells the limits that stand beside a key's own: of ``user:<id>`` and ``account:<id>``.
    """

    def __init__(self, counters: Counters, bounds: Callable[[], Mapping[str, KeyLimits]], keep_every_s: float = 40.0) -> None:
        self._counters = counters
        self._bounds = bounds
        self._keep_every_s = keep_every_s
        self._open: dict[str, tuple[Limit, ...]] = {}

    def slot(self, caller: Caller, exchange: Exchange, entry: Entry) -> Slot:
        """Enter to take, leave to true up. Raises a 429 of `core.errors` that says which limit, and when it frees."""
        limits = () if caller.limits is NO_LIMITS else limits_of(f"key:{caller.key_id}", caller.limits)
        if caller.user_id is not None:
            limits += self._of("user", caller.user_id)
        return Slot(self, limits, exchange, entry)

    def of_account(self, account: Account | None) -> tuple[Limit, ...]:
        return () if account is None else self._of("account", account.id)

    def _of(self, kind: str, id_: str) -> tuple[Limit, ...]:
        all_bounds = self._bounds()
        if not all_bounds:
            return ()
        subject = f"{kind}:{id_}"
        bounds = all_bounds.get(subject)
        return () if bounds is None else limits_of(subject, bounds)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._keep_every_s)
            for seat, limits in list(self._open.items()):
                await self._counters.keep(limits, seat)

    async def take(self, limits: tuple[Limit, ...], tokens: int, seat: str) -> Taken:
        wants = [Want(limit, tokens if limit.kind == "tokens" else 1) for limit in limits]
        seats = tuple(limit for limit in limits if limit.kind == "seats")
        try:
            taken = await self._counters.take(wants, seat)
        except asyncio.CancelledError:
            # Redis may have taken it already, and nobody will be there to leave it.
            if seats:
                await asyncio.shield(self._counters.leave(seats, seat))
            raise
        if taken.refused is None and seats:
            self._open[seat] = seats
        return taken

    async def settle(self, limits: tuple[Limit, ...], held: int, used: int, seat: str) -> None:
        seats = self._open.pop(seat, ())
        if seats:
            await self._counters.leave(seats, seat)
        if used != held:
            await self._counters.adjust([Want(limit, used - held) for limit in limits if limit.kind == "tokens"])


class Slot(Struct, eq=False):
    """One call's place under its key's limits."""

    _of: Limits
    _limits: tuple[Limit, ...]
    _exchange: Exchange
    _entry: Entry
    _held: int = 0
    _levels: tuple[Level, ...] = ()

    @property
    def _seat(self) -> str:
        return self._entry.opening  # not `entry.id`: a client may send the same id twice at once

    async def __aenter__(self) -> Slot:
        if self._limits:
            self._held = estimate_tokens(self._exchange)
            taken = await self._of.take(self._limits, self._held, self._seat)
            self._levels = taken.levels
            levels = {_short(level.limit): [level.remaining, level.limit.most] for level in taken.levels}
            self._entry.note("limits", left=levels)
            if taken.refused is not None:
                error = refusal(taken)
                error.headers = tuple(self._ours())  # leaving, which does it for all others, is not come to
                raise error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._limits:
            await unbroken(self._settled())
            if isinstance(error, DoorwardError):  # a budget, a lost upstream: an answer to this key like any other
                error.headers = tuple(self._ours())

    async def _settled(self) -> None:
        entry = self._entry
        try:
            if not entry.is_metered:  # a stream that was cut is counted first: leaving early must not be free
                await entry.metered()
        finally:
            used = sum(a.usage.input_tokens + a.usage.output_tokens for a in entry.attempts if a.usage is not None)
            await self._of.settle(self._limits, self._held, used, self._seat)

    def show(self, reply: Reply) -> Reply:
        """OpenAI's `x-ratelimit-*`: ours where the key has limits, in place of the upstream's; and what we did."""
        entry, headers = self._entry, reply.headers
        if self._levels:
            headers = [item for item in headers if not item[0].startswith(b"x-ratelimit-")] + self._ours()
        headers = [*headers, _CACHE[entry.cache], (b"x-doorward-attempts", b"%d" % len(entry.attempts))]
        if reply.whole and (cost := entry.cost) is not None:
            headers.append((b"x-doorward-cost-usd", usd_text(cost).encode()))
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


def _short(limit: Limit) -> str:
    """`rpm` of the key, `user rpm` of its user."""
    who, _, rest = limit.name.partition(":")
    name = rest.rsplit(":", 1)[1]
    return name if who == "key" else f"{who} {name}"


def refusal(taken: Taken) -> DoorwardError:
    limit, wait_s = taken.refused, taken.retry_after_s
    assert limit is not None
    whose = "This key" if limit.name.startswith("key:") else "This user"
    if limit.kind == "seats":
        return ConcurrencyExceeded(
            f"{whose} may have {limit.most} calls open at once, and has. Wait for one to end.", retry_after_s=_SEAT_FREES_S
        )
    per = "minute" if limit.window_s == MINUTE_S else "day"
    if wait_s is None:
        return TokensExceeded(
            f"The request needs more tokens than the {limit.most:,} a {per} that {whose.lower()} may use. Send less at once."
        )
    freed = f"Try again in {wait_s:.3g} s." if wait_s < 120 else f"Try again in {math.ceil(wait_s / 60)} minutes."
    error = TokensExceeded if limit.kind == "tokens" else LimitExceeded
    message = f"{whose}'s limit of {limit.most:,} {limit.kind} a {per} is reached. {freed}"
    return error(message, retry_after_s=wait_s, is_final=limit.window_s == DAY_S)

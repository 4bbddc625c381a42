"""Price lists as facts: what a unit of a model costs, when, and from which size of input on.

Amounts are whole *grains*, small enough that every listed price of a token, a character, an image
or a microsecond is a whole number of them: sums are exact, and rounding happens once, at their end.
`price_data/prices.json` is made by `scripts/build_prices.py` from the `genai-prices` package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction
from importlib.resources import files
from typing import Any

import msgspec

from doorward.core.errors import PricesError

GRAINS_PER_NANO = 3600 * 10**15
_GRAINS_PER_USD = GRAINS_PER_NANO * 10**9

PER = {
    "input_mtok": 10**6,
    "output_mtok": 10**6,
    "cache_read_mtok": 10**6,
    "cache_write_mtok": 10**6,
    "input_audio_mtok": 10**6,
    "output_audio_mtok": 10**6,
    "cache_audio_read_mtok": 10**6,
    "input_image_mtok": 10**6,
    "output_image_mtok": 10**6,
    "cache_image_read_mtok": 10**6,
    "input_mchars": 10**6,
    "audio_hours": 3600 * 10**6,  # counted in microseconds
    "images": 1,
    "requests_kcount": 1000,
    "web_searches_kcount": 1000,
    "storage_searches_kcount": 1000,
}
"""Unit of a price -> how many of what is counted it is for: tokens, characters, microseconds, calls."""

Step = tuple[int, int]
"""(input tokens that must be exceeded, grains for one unit)"""
Rate = tuple[Step, ...]
"""Ascending; the first step starts at -1. Crossing a step prices the whole call by it, as providers do."""
Rates = Mapping[str, Rate]
DAY_S = 86400


class Dated(msgspec.Struct, frozen=True, gc=False):
    """Prices that hold from a date on, or in some hours of the UTC day."""

    rates: dict[str, Any]
    tier: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    hours: tuple[int, int] | None = None

    def holds(self, wall_s: float) -> bool:
        if self.from_ is not None and wall_s < (date.fromisoformat(self.from_) - date(1970, 1, 1)).days * DAY_S:
            return False
        if self.hours is None:
            return True
        start, end = self.hours
        second = wall_s % DAY_S
        return start <= second < end if start < end else second >= start or second < end


class Model(msgspec.Struct, frozen=True, gc=False):
    """One model of a price list. Later rows of `rates` take precedence; `tiers` are laid over them."""

    id: str
    match: list[Any]
    rates: list[Dated]
    tiers: list[Dated] = []

    def rates_at(self, wall_s: float, tier: str | None = None) -> Rates | None:
        """The rates in force; `None` when `tier` is asked for and not listed."""
        current = next((row for row in reversed(self.rates) if row.holds(wall_s)), self.rates[0])
        rates = dict(current.rates)
        if tier is not None:
            laid = next((row for row in self.tiers if row.tier == tier and row.holds(wall_s)), None)
            if laid is None:
                return None
            rates |= laid.rates
        return {unit: rate_of(unit, amount) for unit, amount in rates.items() if unit in PER or unit == "unread"}

    @property
    def tier_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.tier for row in self.tiers if row.tier))


class _Listed(msgspec.Struct, frozen=True):
    id: str
    borrows: list[str]
    models: msgspec.Raw


class _Data(msgspec.Struct, frozen=True):
    source: str
    version: str
    providers: list[_Listed]


class PriceTable:
    """All price lists of the data set. A list is decoded when it is first asked for."""

    def __init__(self, data: bytes) -> None:
        try:
            decoded = msgspec.json.decode(data, type=_Data)
        except msgspec.MsgspecError as error:
            raise PricesError(f"The price table is damaged ({error}): install Doorward again") from error
        if not decoded.providers:
            raise PricesError("The price table is empty: install Doorward again")
        self.version = f"{decoded.source} {decoded.version}"
        self._raw = {listed.id: listed for listed in decoded.providers}
        self._models: dict[str, list[Model]] = {}

    @classmethod
    def load(cls) -> PriceTable:
        """Raises `PricesError`: without prices the start stops, because calls must never become free."""
        try:
            return cls(files("doorward.providers").joinpath("price_data/prices.json").read_bytes())
        except OSError as error:
            raise PricesError("providers/price_data/prices.json cannot be read: install Doorward again") from error

    @property
    def lists(self) -> tuple[str, ...]:
        return tuple(self._raw)

    def models(self, price_list: str) -> Sequence[Model]:
        """A list's models, or none. Raises `PricesError` for a damaged list."""
        found = self._models.get(price_list)
        if found is None:
            listed = self._raw.get(price_list)
            if listed is None:
                return ()
            try:
                found = self._models[price_list] = msgspec.json.decode(listed.models, type=list[Model])
            except msgspec.MsgspecError as error:
                raise PricesError(f"The price list {price_list!r} is damaged: install Doorward again") from error
        return found

    def find(self, price_list: str, model: str) -> Model | None:
        """The first row that matches, in the list's own order, then in the lists that it borrows from (Azure: OpenAI's)."""
        listed = self._raw.get(price_list)
        if listed is None:
            return None
        name = model.lower()
        for source in (price_list, *listed.borrows):
            for row in self.models(source):
                if any(_matches(clause, name) for clause in row.match):
                    return row
        return None


def rate_of(unit: str, amount: Any) -> Rate:
    """`"2.5"` or `["2.5", [272000, "5"]]`, dollars for one `unit` -> steps in grains."""
    if unit == "unread":
        return ()
    base, *steps = amount if isinstance(amount, (list, tuple)) else [amount]
    return ((-1, grains_of(base, PER[unit])), *((int(start), grains_of(usd, PER[unit])) for start, usd in steps))


def grains_of(usd: str | Decimal, per: int) -> int:
    """Raises `PricesError` for what is no amount of money, or finer than a grain."""
    try:
        price = Decimal(usd)
    except InvalidOperation as error:
        raise PricesError(f"{usd!r} is not a price in dollars") from error
    if not price.is_finite() or price < 0 or price.adjusted() > 9:
        raise PricesError(f"{usd!r} is not a price in dollars: it must be 0 or more")
    grains = Fraction(price) * _GRAINS_PER_USD / per
    if grains.denominator != 1:
        raise PricesError(f"{usd!r} is too fine for a price in dollars: at most 18 decimals")
    return int(grains)


def usd_of_grains(grains: int, per: int) -> Decimal:
    """Back to dollars for `per` units: what the list says."""
    with localcontext() as exact:
        exact.prec = 60
        return (Decimal(grains) * per / _GRAINS_PER_USD).normalize()


def at(rate: Rate, input_tokens: int) -> int:
    """Grains for one unit in a call with so many input tokens."""
    grains = rate[0][1]
    for start, step in rate[1:]:
        if input_tokens > start:
            grains = step
    return grains


def dearest(rate: Rate, up_to_tokens: int) -> int:
    """The most that a unit can cost in any call of at most so many input tokens."""
    if len(rate) == 1:  # most have no steps
        return rate[0][1]
    return max(grains for start, grains in rate if start < up_to_tokens)


def nanos(grains: int) -> int:
    """The one rounding: half up."""
    return (2 * grains + GRAINS_PER_NANO) // (2 * GRAINS_PER_NANO)


def nanos_up(grains: int) -> int:
    """For holds: never less than any rounding of a smaller cost."""
    return -(-grains // GRAINS_PER_NANO)


def _matches(clause: Any, name: str) -> bool:
    if isinstance(clause, list):
        return all(any(_matches(one, name) for one in alternatives) for alternatives in clause)
    mark, text = clause[0], clause[1:]
    match mark:
        case "=":
            return bool(name == text)
        case "^":
            return name.startswith(text)
        case "$":
            return name.endswith(text)
        case "*":
            return text in name
        case _:
            return re.search(text, name) is not None

"""What calls cost: the data set, the operator's own prices over it, and one answer for a call's usage (R35).

A price is known only if every unit that the call used has one. Unknown is `None`, never 0; a sum
of 0 is unknown as well, unless the call is listed as free. Amounts carry the data set's version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from doorward.core.clock import Clock, SystemClock
from doorward.core.errors import BadRequest, Unprocessable
from doorward.core.money import Nanos
from doorward.core.usage import Usage
from doorward.providers.model_facts import ModelFacts
from doorward.providers.price_card import Card, Tariff, Unpriced
from doorward.providers.price_table import PER, Model, PriceTable, Rate, grains_of, nanos, rate_of, usd_of_grains
from doorward.providers.provider import Provider

FREE_KINDS = frozenset({"moderation", "models", "file"})
FREE_LISTS = frozenset({"free", "simulator"})
STANDARD_TIERS = frozenset({None, "default", "auto", "standard", "on_demand"})
DISCOUNTED_TIERS = frozenset({"flex", "batch"})
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Priced:
    """`nanos` is `None` when the price is not known; `why` then says what is missing, for people."""

    nanos: Nanos | None
    version: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """The operator's price of one unit. `model` is exact, or a prefix ending in ``*``."""

    price_list: str
    model: str
    unit: str
    usd: Decimal


class Overrides(Protocol):
    async def all(self) -> list[Override]:
        """Every override that is stored."""


def price_list_of(provider: Provider) -> str:
    """The list that applies: what the operator named, else the provider's own."""
    return provider.prices or provider.id


def checked(override: Override) -> Override:
    """Raises a 4xx that names the field: an unknown unit, a price below 0 or too fine, an empty name."""
    if override.unit not in PER:
        raise Unprocessable(f"{override.unit!r} is no unit of a price. Units are: {', '.join(PER)}", param="unit")
    if not override.usd.is_finite() or override.usd < 0:
        raise Unprocessable("A price must be 0 or more, in dollars for one unit.", param="usd")
    if override.usd.adjusted() > 5:
        raise Unprocessable("A price over $1,000,000 for one unit is a slip: give dollars for one unit.", param="usd")
    if Decimal(0) < override.usd < Decimal("1e-12"):
        raise Unprocessable(
            "A price below a millionth of a millionth of a dollar is a slip: give dollars for one unit.", param="usd"
        )
    if not override.price_list or override.price_list in FREE_LISTS:
        raise Unprocessable(
            "Name the price list: a provider's id, or what its --prices says. A free list has no prices.", param="price_list"
        )
    if not override.model.rstrip("*") and override.model != "*":
        raise Unprocessable("Name the model: exactly, or as a prefix ending in *.", param="model")
    return override


def overrides_of(given: Mapping[str, Mapping[str, Decimal]]) -> list[Override]:
    """The settings' form: ``{"openai/gpt-x": {"input_mtok": "2.5"}}``. Raises `BadRequest`."""
    found = []
    for name, units in given.items():
        price_list, slash, model = name.partition("/")
        if not slash:
            raise BadRequest(f"A price is set for LIST/MODEL, not for {name!r}.", param="prices")
        found += [checked(Override(price_list, model, unit, Decimal(usd))) for unit, usd in units.items()]
    return found


class Prices:
    """Reads only memory; `refresh` reads the stored overrides again. Not for several threads."""

    def __init__(
        self,
        table: PriceTable,
        facts: ModelFacts,
        *,
        overrides: Iterable[Override] = (),
        clock: Clock | None = None,
    ) -> None:
        self.table = table
        self.facts = facts
        self._clock = clock or SystemClock()
        self._fixed = list(overrides)
        """From the settings; stored ones take precedence."""
        self._stored: list[Override] = []
        self._cards: dict[tuple[str, str, str | None], Card | None] = {}
        self._reach: dict[tuple[str, str | None, str | None], list[Card]] = {}
        self._tariffs: dict[tuple[str, str | None, str | None, bool, bool, bool, bool], Tariff | None] = {}
        self._fresh = (0.0, 0.0)
        """The minute that rates were looked up in: its start and end, in unix seconds."""
        self._generation = 0
        self._images: dict[str, dict[tuple[str, str], int]] = {
            model: {key: grains_of(usd, 1) for key, usd in rows.items()} for model, rows in facts.image_usd.items()
        }

    @classmethod
    def load(cls, *, overrides: Iterable[Override] = (), clock: Clock | None = None) -> Prices:
        """Raises `PricesError`, which stops the start: a failure here must never make calls free."""
        return cls(PriceTable.load(), ModelFacts.load(), overrides=overrides, clock=clock)

    async def refresh(self, stored: Overrides) -> None:
        """Take over the overrides as they are stored now; a database that is away leaves the last ones in force."""
        self.replace(await stored.all())

    def replace(self, stored: Iterable[Override]) -> None:
        found = list(stored)
        if found != self._stored:
            self._stored = found
            self._forget()

    def cost(self, price_list: str, model: str | None, kind: str, usage: Usage) -> Priced:
        """A call's cost. `kind` is `Endpoint.kind`; an endpoint whose `bills` is ``free`` need not ask."""
        if kind in FREE_KINDS or price_list in FREE_LISTS:
            return Priced(Nanos(0), "free", "listed as free")
        tier = usage.service_tier if usage.service_tier not in STANDARD_TIERS else None
        card = self.card(price_list, model, tier)
        if card is None and tier in DISCOUNTED_TIERS:
            card = self.card(price_list, model)  # no discount is listed: the standard price is the dearer one
        if card is None:
            return Priced(None, self.table.version, self._unlisted(price_list, model, tier))
        try:
            lines = card.lines(kind, usage)
        except Unpriced as unknown:
            return Priced(None, card.version, str(unknown))
        total = nanos(sum(units * grains for units, grains in lines))
        if total <= 0:
            return Priced(None, card.version, f"{card.model} has no price for what this call used")
        return Priced(Nanos(total), card.version)

    def _unlisted(self, price_list: str, model: str | None, tier: str | None) -> str:
        if model is None:
            return "the call names no model"
        if tier is not None and self.card(price_list, model) is not None:
            return f"{model} has no price for the service tier {tier!r}"
        return f"the price list {price_list!r} does not have {model}"

    def card(self, price_list: str, model: str | None, tier: str | None = None) -> Card | None:
        """The rates in force, or `None`: the model, or its tier, is not listed."""
        if not model:
            return None
        self._freshen()
        wanted = (price_list, model, tier)
        if wanted not in self._cards:
            self._cards[wanted] = self._card(price_list, model, tier)
        return self._cards[wanted]

    def _freshen(self) -> None:
        """Dates and hours of the day move prices; model names come from clients, so they are bounded."""
        now_s = self._clock.wall()
        if not self._fresh[0] <= now_s < self._fresh[1] or len(self._cards) > _REMEMBERED:
            minute_s = now_s // 60 * 60
            self._fresh = (minute_s, minute_s + 60)
            self._forget()

    def current(self) -> int:
        """A number that changes whenever prices may: for who keeps what follows from them."""
        since, until = self._fresh
        if not since <= self._clock.wall() < until:
            self._freshen()
        return self._generation

    def _forget(self) -> None:
        self._generation += 1
        self._cards.clear()
        self._reach.clear()
        self._tariffs.clear()

    def _card(self, price_list: str, model: str, tier: str | None) -> Card | None:
        name = model.lower()
        row = self.table.find(price_list, name)
        images = self._images.get(name, {}) if price_list in ("openai", "azure") else {}
        rates: dict[str, Rate] | None = None
        if row is not None:
            found = row.rates_at(self._clock.wall(), tier)
            rates = None if found is None else dict(found)
        elif images and tier is None:
            rates = {}
        own = self._own(price_list, name)
        if own and (rates is not None or row is None):
            rates = (rates or {}) | {unit: rate_of(unit, usd) for unit, usd in own.items()}
            rates.pop("unread", None)
        if rates is None:
            return None
        return Card(model, rates, images, self.facts.of(name).searches, self._version(own))

    def _own(self, price_list: str, name: str) -> dict[str, Decimal]:
        """The operator's prices: the settings' first, then the stored ones; the more exact of each wins."""
        own: dict[str, Decimal] = {}
        for source in (self._fixed, self._stored):
            for override in sorted(source, key=lambda o: (not o.model.endswith("*"), len(o.model))):
                if override.price_list == price_list and _covers(override.model.lower(), name):
                    own[override.unit] = override.usd
        return own

    def _version(self, own: Mapping[str, Decimal]) -> str:
        if not own:
            return self.table.version
        spoken = ";".join(f"{unit}={usd.normalize()}" for unit, usd in sorted(own.items()))
        return f"{self.table.version} + own {hashlib.sha256(spoken.encode()).hexdigest()[:8]}"

    def listed(self, price_list: str, part: str = "") -> Iterable[tuple[str, str, int | None, str]]:
        """The data set's standard prices in force: (model, unit, above so many input tokens, dollars)."""
        for row in self.table.models(price_list):
            if part.lower() not in row.id.lower():
                continue
            for unit, rate in (row.rates_at(self._clock.wall()) or {}).items():
                for start, grains in rate:
                    yield row.id, unit, start if start >= 0 else None, f"{usd_of_grains(grains, PER[unit]):f}"

    def reachable(self, price_list: str, model: str | None, asked_tier: str | None) -> list[Card]:
        """The cards of every tier that a request may end up in; none: the price is not known.

        ``auto``, and saying nothing, leave the choice to the upstream project's settings; any
        other tier may be served as the standard one.
        """
        self._freshen()
        wanted = (price_list, model, asked_tier)
        if wanted not in self._reach:
            if len(self._reach) > _REMEMBERED:
                self._reach.clear()
            self._reach[wanted] = self._reachable(price_list, model, asked_tier)
        return self._reach[wanted]

    def tariff(
        self,
        price_list: str,
        model: str | None,
        asked_tier: str | None,
        *,
        sound_in: bool,
        images: bool,
        sound_out: bool,
        writes: bool,
    ) -> Tariff | None:
        """Dearest tokens over every tier that a request may reach; `None`: not listed. Raises `Unpriced`."""
        self._freshen()
        wanted = (price_list, model, asked_tier, sound_in, images, sound_out, writes)
        if wanted not in self._tariffs:
            cards = self.reachable(price_list, model, asked_tier)
            if len(self._tariffs) > _REMEMBERED:
                self._tariffs.clear()
            made = Tariff.over(cards, sound_in=sound_in, images=images, sound_out=sound_out, writes=writes) if cards else None
            self._tariffs[wanted] = made
        return self._tariffs[wanted]

    def _reachable(self, price_list: str, model: str | None, asked_tier: str | None) -> list[Card]:
        standard = self.card(price_list, model)
        if standard is None or model is None:
            return []
        row: Model | None = self.table.find(price_list, model)
        listed = row.tier_names if row is not None else ()
        if asked_tier in ("default", "standard"):
            tiers: Iterable[str] = ()
        elif asked_tier in STANDARD_TIERS:
            tiers = (tier for tier in listed if tier not in DISCOUNTED_TIERS)
        elif asked_tier in listed:
            tiers = (asked_tier,)
        elif asked_tier in DISCOUNTED_TIERS:
            tiers = ()
        else:
            return []
        dearer = (self.card(price_list, model, tier) for tier in tiers)
        return [standard, *(card for card in dearer if card is not None)]


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == name

"""What plain calls cost at worst on a route: what `ledger.holds` says, with all that the route decides worked out before.

A demand is plain when only its bytes and its output limit matter: text in, text out, no tools, nothing that lies elsewhere.
"""

from __future__ import annotations

from msgspec import Struct

from doorward.ledger.demand import Demand
from doorward.ledger.holds import FREE, OVERHEAD_TOKENS, TOKEN_KINDS, WINDOWED, Bounds, Hold
from doorward.providers.price_card import Unpriced
from doorward.providers.price_table import Rate, dearest, nanos_up
from doorward.providers.prices import FREE_LISTS, Prices, price_list_of
from doorward.providers.route import Plan, Route

MOST_ROUTES = 2_000


class Terms(Struct, frozen=True, gc=False):
    """One plan's. Grains."""

    model: str | None
    request: int
    reads: Rate
    writes: Rate
    """Empty: nothing is written, as by embeddings."""
    window: int | None
    """Tokens that one call reads at most; `None`: not known, or several texts may each fill it."""
    max_output: int


class PlainTerms:
    """Kept until prices move. Not for several threads."""

    def __init__(self, prices: Prices, bounds: Bounds) -> None:
        self._prices = prices
        self._bounds = bounds
        self._generation = -1
        self._of: dict[tuple[Route, str, str | None], tuple[Terms, ...] | None] = {}

    def hold(self, demand: Demand, route: Route) -> Hold | None:
        """`None`: the demand is not plain, a price or a limit is not known, or the model has fees of its own."""
        if demand.tools or demand.images or demand.hears or demand.speaks or demand.searches or demand.by_reference is not None:
            return None
        generation = self._prices.current()
        if generation != self._generation or len(self._of) >= MOST_ROUTES:
            self._generation = generation
            self._of.clear()
        asked = (route, demand.kind, demand.service_tier)
        try:
            terms = self._of[asked]
        except KeyError:
            terms = self._of[asked] = self._terms(*asked)
        if terms is None:
            return None
        return _bill(demand, terms[0]) if len(terms) == 1 else _worst(demand, terms)

    def _terms(self, route: Route, kind: str, tier: str | None) -> tuple[Terms, ...] | None:
        found: dict[Terms, None] = {}
        for plan in route.plans:
            if price_list_of(plan.provider) in FREE_LISTS:
                continue
            terms = self._of_plan(plan, kind, tier) if kind in TOKEN_KINDS else None
            if terms is None:
                return None
            found[terms] = None  # accounts of one provider share theirs
        return tuple(found) if route.plans else None

    def _of_plan(self, plan: Plan, kind: str, tier: str | None) -> Terms | None:
        facts = self._prices.facts.of(plan.model)
        if facts.searches and kind == "chat":
            return None
        writes = kind != "embedding"
        asked = (price_list_of(plan.provider), plan.model, tier)
        try:
            tariff = self._prices.tariff(*asked, sound_in=False, images=False, sound_out=False, writes=writes)
        except Unpriced:
            return None
        if tariff is None:
            return None
        most = facts.max_output if facts.max_output is not None else self._bounds.max_output_tokens
        window = facts.window if kind in WINDOWED else None
        return Terms(plan.model, tariff.request_grains, tariff.reads, tariff.writes if writes else (), window, most)


def _worst(demand: Demand, terms: tuple[Terms, ...]) -> Hold:
    return max([_bill(demand, one) for one in terms], key=lambda hold: hold.nanos, default=FREE)


def _bill(demand: Demand, one: Terms) -> Hold:
    reads, rate = demand.input_bytes + OVERHEAD_TOKENS, one.reads
    if one.window is not None and reads > one.window:
        reads = one.window
    grains = one.request + reads * (rate[0][1] if len(rate) == 1 else dearest(rate, reads))
    rate = one.writes
    if not rate:
        return Hold(nanos_up(grains), "", one.model, reads)
    limit = demand.output_limit
    out = (one.max_output if limit is None else limit) * demand.n + demand.extra_output
    grains += out * (rate[0][1] if len(rate) == 1 else dearest(rate, reads))
    return Hold(nanos_up(grains), "", one.model, reads, out)

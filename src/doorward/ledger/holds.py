"""The worst case of a call, in nano-dollars: what a budget reserves before anything is sent (R33). Pure.

    input   UTF-8 bytes of the body bound its tokens if all input is in the body, else the model's window;
            an exact count + 2 % + 64 where the bound alone would refuse
    output  the body's limit × n, else the model's largest output × n (unknown: `DOORWARD_MAX_OUTPUT_TOKENS`)
    prices  the dearest tier that the request can reach; the dearest kind of token that the body can hold
    tools   the fee of a hosted tool × `max_tool_calls`; each of its calls may read the window once more

What has no bound is refused with `cost_unbounded`, naming the field. A hold is the worst over a
route's plans, because any of them may be the one that is billed.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from doorward.core.errors import CostUnbounded
from doorward.ledger.demand import Demand
from doorward.providers.model_facts import Facts
from doorward.providers.price_card import Card, Unpriced
from doorward.providers.price_table import GRAINS_PER_NANO, dearest, nanos_up
from doorward.providers.prices import FREE_KINDS, FREE_LISTS, Prices, price_list_of
from doorward.providers.route import Plan, Route

OVERHEAD_TOKENS = 64
"""Tokens that a provider writes around a prompt."""
SPEECH_CHARS = 4096
"""Longest text of one speech call."""
LEAST_AUDIO_BYTES_PER_S = 250
"""A third of Opus's lowest bit rate: a file cannot hold more seconds of speech than its bytes over this."""
TOKEN_KINDS = frozenset({"chat", "completion", "responses", "embedding"})
WINDOWED = frozenset({"chat", "responses"})
"""One text a call: several, as in one embedding or completion call, may each fill a window."""
UNPRICED = "is not known, so it cannot be used under a budget. An admin can set it: doorward price set"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Settings of a hold."""

    max_output_tokens: int = 32_768
    assume_usd_mtok_nanos: int | None = None
    """Nano-dollars for a million tokens of a model whose price is not known; `None`: such calls are refused."""


class Hold(Struct, frozen=True, gc=False, omit_defaults=True):
    """`words` says where it comes from; empty: so many tokens of `model`, which only somebody who asks puts in words."""

    nanos: int
    words: str = ""
    model: str | None = None
    reads: int = 0
    writes: int | None = None
    """`None`: nothing is written, as by embeddings."""

    @property
    def how(self) -> str:
        """One line for "why?"."""
        if self.words:
            return self.words
        return f"{self.model}: {self.reads} tokens in" + ("" if self.writes is None else f", {self.writes} out")


FREE = Hold(0, "free")


def hold_for(demand: Demand, route: Route, prices: Prices, bounds: Bounds, *, counted: int | None = None) -> Hold:
    """The worst over the route's plans. `counted`: exact input tokens. Raises `CostUnbounded`."""
    worst: Hold | None = None
    for plan in route.plans:
        hold = _of_plan(demand, plan, prices, bounds, counted)
        if worst is None or hold.nanos > worst.nanos:
            worst = hold
    return worst or Hold(0, "nothing is sent")


def _of_plan(demand: Demand, plan: Plan, prices: Prices, bounds: Bounds, counted: int | None) -> Hold:
    price_list = price_list_of(plan.provider)
    if demand.kind in FREE_KINDS or price_list in FREE_LISTS:
        return FREE
    facts = prices.facts.of(plan.model)
    reading = _Reading(demand, facts, prices, bounds, counted)
    try:
        grains, how = reading.by_tokens(price_list, plan) if demand.kind in TOKEN_KINDS else reading.by_card(price_list, plan)
    except Unpriced as unknown:
        if bounds.assume_usd_mtok_nanos is None:
            raise CostUnbounded(f"The price of {plan.model or 'this call'} {UNPRICED}. ({unknown})", param="model") from None
        tokens = reading.input_tokens() + reading.output_tokens()
        assumed = -(-tokens * bounds.assume_usd_mtok_nanos // 1_000_000)
        return Hold(assumed, f"{plan.model}: {tokens} tokens at an assumed price")
    return Hold(nanos_up(grains), f"{plan.model}: {how}")


class _Reading:
    """One demand read for one model."""

    def __init__(self, demand: Demand, facts: Facts, prices: Prices, bounds: Bounds, counted: int | None) -> None:
        self.demand = demand
        self.facts = facts
        self.prices = prices
        self.bounds = bounds
        self.counted = counted

    def by_tokens(self, price_list: str, plan: Plan) -> tuple[int, str]:
        """Grains of the dearest bill, and how it comes about. Raises `Unpriced`, `CostUnbounded`."""
        demand = self.demand
        writes = demand.kind != "embedding"
        tariff = self.prices.tariff(
            price_list,
            plan.model,
            demand.service_tier,
            sound_in=demand.hears,
            images=demand.images > 0,
            sound_out=demand.speaks,
            writes=writes,
        )
        if tariff is None:
            raise Unpriced(f"the price list {price_list!r} does not have it, or not this service tier")
        searches = self.searches()
        if searches and not tariff.searches_known:
            raise Unpriced("it searches the web, and a search has no price")
        reads, rounds = self.input_tokens(), 1 + self.tool_calls()
        grains = tariff.request_grains + reads * rounds * dearest(tariff.reads, reads)
        if demand.tools or searches:
            grains += GRAINS_PER_NANO * self.tool_fees()
        if not writes:
            return grains, f"{reads} tokens in"
        out = self.output_tokens()
        return grains + out * dearest(tariff.writes, reads), f"{reads * rounds} tokens in, {out} out"

    def by_card(self, price_list: str, plan: Plan) -> tuple[int, str]:
        """Images and sound. Raises `Unpriced`, `CostUnbounded`."""
        cards = self.prices.reachable(price_list, plan.model, self.demand.service_tier)
        if not cards:
            raise Unpriced(f"the price list {price_list!r} does not have it, or not this service tier")
        return max(self._worst(card) for card in cards)

    def _worst(self, card: Card) -> tuple[int, str]:
        demand = self.demand
        if "unread" in card.rates:
            raise Unpriced(f"{card.model} bills units that no answer tells apart")
        fee = card.rates["requests_kcount"][0][1] if "requests_kcount" in card.rates else 0
        match demand.kind:
            case "image":
                return fee + self._image(card), f"{demand.n} image(s) of {demand.size or 'any size'}"
            case "speech" if "input_mchars" in card.rates:
                characters = min(demand.input_bytes, SPEECH_CHARS)
                return fee + characters * card.rates["input_mchars"][0][1], f"{characters} characters"
            case "transcript" if "audio_hours" in card.rates:
                seconds = -(-demand.input_bytes // LEAST_AUDIO_BYTES_PER_S)
                return fee + seconds * 1_000_000 * card.rates["audio_hours"][0][1], f"{seconds} s of sound at most"
            case "speech" | "transcript":
                reads, out = self.input_tokens(), self.output_tokens()
                heard = demand.kind == "transcript" and "input_audio_mtok" in card.rates
                grains = reads * card.dearest_input(reads, sound=heard, images=False)
                return fee + grains + out * card.dearest_output(reads, sound=False), f"{reads} tokens in, {out} out"
            case _:
                raise CostUnbounded("The cost of this endpoint has no bound.", param="endpoint")

    def input_tokens(self) -> int:
        """Of one turn. Nothing reads more than the window, whatever the body's size."""
        demand, window = self.demand, self.facts.window
        if demand.kind == "transcript":
            return window if window is not None else demand.input_bytes
        if demand.by_reference is not None or (demand.tools and self.tool_calls()):
            if window is None:
                raise CostUnbounded(
                    "Input that is not in the body has no bound, because the model's context window is not known.",
                    param=demand.by_reference or "tools",
                )
            return window
        if self.counted is not None and demand.countable:
            tokens = self.counted + -(-self.counted * 2 // 100) + OVERHEAD_TOKENS
        else:
            tokens = demand.input_bytes + demand.images * self.facts.image_tokens + OVERHEAD_TOKENS
        return min(tokens, window) if window is not None and demand.kind in WINDOWED else tokens

    def output_tokens(self) -> int:
        limit = self.demand.output_limit
        if limit is None:
            limit = self.facts.max_output if self.facts.max_output is not None else self.bounds.max_output_tokens
        return limit * self.demand.n + self.demand.extra_output

    def tool_calls(self) -> int:
        """Calls of hosted tools in one response; each is followed by one more turn of the model."""
        demand = self.demand
        if not demand.tools:
            return 0
        known = self.prices.facts
        hosted = [tool for tool in demand.tools if tool not in known.local_tools]
        if not hosted:
            return 0
        for tool in hosted:
            if known.fee_of(tool) is None:
                raise CostUnbounded(f"The tool {tool!r} has no fee that bounds its cost.", param="tools")
        if demand.max_tool_calls is None:
            raise CostUnbounded("Hosted tools may be called without end: set max_tool_calls.", param="max_tool_calls")
        return max(0, demand.max_tool_calls)

    def tool_fees(self) -> int:
        """Nano-dollars."""
        known = self.prices.facts
        calls = self.tool_calls()
        fee = max((known.fee_of(tool) or 0 for tool in self.demand.tools), default=0)
        return calls * fee + self.searches() * (known.fee_of("web_search") or 0)

    def searches(self) -> int:
        """Web searches of a chat call: the models for it make one in each."""
        return 1 if self.demand.kind == "chat" and (self.demand.searches or self.facts.searches) else 0

    def _image(self, card: Card) -> int:
        demand = self.demand
        piece = card.dearest_image(demand.size, demand.quality)
        if piece is not None:
            return demand.n * piece
        if self.facts.max_output is None:
            raise CostUnbounded("The size of an image in tokens is not known for this model.", param="model")
        reads = min(demand.input_bytes, 32_000) + demand.images * self.facts.image_tokens + OVERHEAD_TOKENS
        writes = (self.facts.max_output + demand.extra_output) * demand.n
        return reads * card.dearest_input(reads, sound=False, images=True) + writes * card.dearest_output(reads, sound=False)

"""What one model costs right now: the lines of a bill, and the dearest bill that a call can bring.

A line is (units, grains for one). A unit that a call used and that has no price makes the whole
call's price unknown; `Unpriced` says which. Units without a price of their own fall back only
where providers bill so: cached input that has no discount costs as input, an image read by a chat
model counts as input. Sound never falls back: text prices are far too low for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from doorward.core.usage import Usage
from doorward.providers.price_table import Rate, Rates, at, dearest

TOKENS = frozenset({"chat", "completion", "responses", "embedding", "image", "speech", "transcript"})
"""Kinds of `wire.endpoints.Endpoint` that may be billed by tokens."""
Line = tuple[int, int]


class Unpriced(Exception):
    """Why a call's price is not known; the text is for people."""


@dataclass(frozen=True, slots=True)
class Card:
    """A model's rates in force, with the operator's laid over them."""

    model: str
    rates: Rates
    image_grains: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Images billed by the piece: (size, quality) -> grains."""
    searches: bool = False
    version: str = ""

    @property
    def has_tokens(self) -> bool:
        return "input_mtok" in self.rates or "output_mtok" in self.rates

    def lines(self, kind: str, usage: Usage) -> list[Line]:
        """The bill. Raises `Unpriced`."""
        if "unread" in self.rates:
            raise Unpriced(f"{self.model} bills units that no answer tells apart")
        lines = self._tools(kind, usage)
        if "requests_kcount" in self.rates:
            lines.append((1, at(self.rates["requests_kcount"], usage.input_tokens)))
        if kind == "image" and usage.images and not usage.output_tokens:
            return [*lines, self._images(usage)]
        if kind == "speech" and "input_mchars" in self.rates:
            return [*lines, (usage.characters, at(self.rates["input_mchars"], 0))]
        if kind == "transcript" and "audio_hours" in self.rates:
            return [*lines, (round(usage.seconds * 1_000_000), at(self.rates["audio_hours"], 0))]
        if kind in TOKENS:
            return lines + self._tokens(kind, usage)
        raise Unpriced(f"calls of kind {kind!r} have no price")

    def _tools(self, kind: str, usage: Usage) -> list[Line]:
        searches = usage.web_searches or (1 if self.searches and kind == "chat" else 0)
        if usage.code_sessions:
            raise Unpriced("a code interpreter's fee depends on its container, which the answer does not name")
        lines: list[Line] = []
        if searches:
            lines.append((searches, at(self._need("web_searches_kcount"), 0)))
        if usage.file_searches:
            lines.append((usage.file_searches, at(self._need("storage_searches_kcount"), 0)))
        return lines

    def _images(self, usage: Usage) -> Line:
        if "images" in self.rates:
            return usage.images, at(self.rates["images"], 0)
        size, quality = usage.image_size or "1024x1024", usage.image_quality or "standard"
        grains = self.image_grains.get((size, quality))
        if grains is None:
            raise Unpriced(f"{self.model} has no price for an image of {size} and quality {quality}")
        return usage.images, grains

    def _tokens(self, kind: str, usage: Usage) -> list[Line]:
        total = usage.input_tokens
        cached, written, heard, seen = (
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.input_audio_tokens,
            usage.input_image_tokens,
        )
        heard_again, seen_again = usage.cached_audio_tokens, usage.cached_image_tokens
        # Answers that do not tell the kinds of cached tokens apart: cached text is assumed, and what is sound or image
        # beyond the rest is charged in full; then there is less than nothing left, and nothing of it is text.
        cached, heard, seen = cached - heard_again - seen_again, heard - heard_again, seen - seen_again
        lines: list[Line] = []
        if total:
            reads = at(self._need("input_mtok"), total)
            rest = total - cached - written - heard - seen - heard_again - seen_again
            lines.append((max(0, rest), reads))
            lines.append((cached, self._rate("cache_read_mtok", total, reads)))
            lines.append((written, self._rate("cache_write_mtok", total, reads)))
            lines.append((seen, self._rate("input_image_mtok", total, reads)))
            lines.append((seen_again, self._rate("cache_image_read_mtok", total, self._rate("input_image_mtok", total, reads))))
            if heard or heard_again:
                hears = at(self._need("input_audio_mtok"), total)
                lines.append((heard, hears))
                lines.append((heard_again, self._rate("cache_audio_read_mtok", total, hears)))
        if usage.output_tokens:
            writes = at(self._need("output_mtok"), total)
            spoken, drawn = usage.output_audio_tokens, usage.output_image_tokens
            if kind == "image" and not drawn:
                drawn = usage.output_tokens
            lines.append((usage.output_tokens - spoken - drawn, writes))
            lines.append((drawn, self._rate("output_image_mtok", total, writes)))
            if spoken:
                # a model that only speaks lists its sound as plain output
                lines.append((spoken, writes if kind == "speech" else at(self._need("output_audio_mtok"), total)))
        return lines

    def _need(self, unit: str) -> Rate:
        rate = self.rates.get(unit)
        if rate is None:
            raise Unpriced(f"{self.model} has no price for {WORDS[unit]}")
        return rate

    def _rate(self, unit: str, total: int, otherwise: int) -> int:
        rate = self.rates.get(unit)
        return at(rate, total) if rate is not None else otherwise

    def dearest_input(self, up_to_tokens: int, *, sound: bool, images: bool) -> int:
        """Grains of the dearest input token in a call of at most so many. Raises `Unpriced`."""
        rates = [
            self._need("input_mtok"),
            *(self.rates[unit] for unit in ("cache_write_mtok", "cache_read_mtok") if unit in self.rates),
        ]
        if images and "input_image_mtok" in self.rates:
            rates.append(self.rates["input_image_mtok"])
        if sound:
            rates.append(self._need("input_audio_mtok"))
        return max(dearest(rate, up_to_tokens) for rate in rates)

    def dearest_output(self, up_to_tokens: int, *, sound: bool) -> int:
        """Grains of the dearest output token when the input has at most so many. Raises `Unpriced`."""
        rates = [self._need("output_mtok")]
        if "output_image_mtok" in self.rates:
            rates.append(self.rates["output_image_mtok"])
        if sound:
            rates.append(self._need("output_audio_mtok"))
        return max(dearest(rate, up_to_tokens) for rate in rates)

    def dearest_image(self, size: str | None, quality: str | None) -> int | None:
        """Grains of one image by the piece, over every size and quality that was left open; `None`: not so billed."""
        if "images" in self.rates:
            return self.rates["images"][0][1]
        fitting = [
            grains for (s, q), grains in self.image_grains.items() if size in (None, "auto", s) and quality in (None, "auto", q)
        ]
        return max(fitting or self.image_grains.values(), default=None)


class Tariff(msgspec.Struct, frozen=True, gc=False):
    """The dearest tokens over several cards: made once for a model, so that a hold costs two multiplications."""

    reads: Rate
    writes: Rate
    request_grains: int
    searches_known: bool

    @classmethod
    def over(cls, cards: Sequence[Card], *, sound_in: bool, images: bool, sound_out: bool, writes: bool) -> Tariff:
        """Raises `Unpriced` if any of them lacks a price."""
        for card in cards:
            if "unread" in card.rates:
                raise Unpriced(f"{card.model} bills units that no answer tells apart")
        starts = sorted({start for card in cards for rate in card.rates.values() for start, _ in rate})
        asks = [(start, start + 1) for start in starts]
        return cls(
            tuple((start, max(card.dearest_input(n, sound=sound_in, images=images) for card in cards)) for start, n in asks),
            tuple((start, max(card.dearest_output(n, sound=sound_out) for card in cards)) for start, n in asks) if writes else (),
            max(card.rates["requests_kcount"][0][1] if "requests_kcount" in card.rates else 0 for card in cards),
            all("web_searches_kcount" in card.rates for card in cards),
        )


WORDS = {
    "input_mtok": "input tokens",
    "output_mtok": "output tokens",
    "input_audio_mtok": "audio input tokens",
    "output_audio_mtok": "audio output tokens",
    "web_searches_kcount": "web searches",
    "storage_searches_kcount": "file searches",
}

"""Where a text answer ends: a stop sequence, or the most tokens it may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from doorward.providers.tokens import pieces
from doorward.simulator.call import Json, counted_as, invalid, number


@dataclass(frozen=True, slots=True)
class Cut:
    """`pieces` are (text, tokens); together they are `text` and `tokens`."""

    text: str
    pieces: tuple[tuple[str, int], ...]
    tokens: int
    reason: str
    """``stop`` or ``length``."""


def cut(text: str, model: str, stop: Sequence[str] = (), most_tokens: int | None = None) -> Cut:
    """End `text` before the first stop sequence, then after `most_tokens`."""
    for sequence in stop:
        if sequence:
            text = text.split(sequence, 1)[0]
    if most_tokens is not None:
        text = text[: (most_tokens + 1) * LONGEST_TOKEN]  # what follows cannot be reached: no need to cut a document into tokens
    whole = (_pieces if len(text) <= CACHED_CHARS else _pieces.__wrapped__)(text, counted_as(model))
    total = sum(tokens for _, tokens in whole)
    if most_tokens is None or total <= most_tokens:
        return Cut(text, whole, total, "stop")
    kept: list[tuple[str, int]] = []
    held = 0
    for piece, tokens in whole:
        if held + tokens > most_tokens:
            break
        kept.append((piece, tokens))
        held += tokens
    return Cut("".join(piece for piece, _ in kept), tuple(kept), held, "length")


def stops(body: Json) -> tuple[str, ...]:
    """`stop`: a string, or up to four of them."""
    value = body.get("stop")
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > 4 or not all(isinstance(one, str) for one in listed):
        raise invalid("stop", "send a string, or a list of up to four strings.", "invalid_type")
    return tuple(listed)


def check_sampling(body: Json) -> None:
    """What makes answers vary is of no use here, but wrong values are refused as upstream (OpenAI's bounds)."""
    number(body, "temperature", 0, 2)
    number(body, "top_p", 0, 1)
    number(body, "presence_penalty", -2, 2)
    number(body, "frequency_penalty", -2, 2)


LONGEST_TOKEN = 128
"""Characters: a run of spaces, in both of OpenAI's encodings."""
CACHED_CHARS = 4096
"""Longer texts are not worth their place in the memory."""


@lru_cache(maxsize=256)
def _pieces(text: str, model: str) -> tuple[tuple[str, int], ...]:
    return tuple(pieces(text, model))

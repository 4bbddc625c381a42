"""A long text in slices of bounded tokens, cut where a sentence ends. Joined, the slices are the text: nothing lost or doubled.

Works block by block, so that a text of a million tokens costs megabytes and not hundreds of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doorward.providers.tokens import beginning, count_text

BLOCK_CHARS = 50_000
SEAM_TOKENS = 8
"""Blocks are counted apart; where two meet, the joined text may have a few tokens more."""

# After the mark and the quote or bracket that may close it, before the space that follows; or between paragraphs.
_END = re.compile(r"(?:[.!?…][\"'”’»)\]]{0,3}(?=\s)|[。！？]|\n(?=\s*\n))")
_SPACE = re.compile(r"\s")


def prefix(text: str, model: str, most_tokens: int) -> str:
    """The longest beginning of at most so many tokens."""
    at = tokens = 0
    while at < len(text):
        block = text[at : at + BLOCK_CHARS]
        chars, size = beginning(block, model, most_tokens - tokens)
        at, tokens = at + chars, tokens + size
        if chars < len(block):
            break
    cut = text[:at]
    while cut and count_text(cut, model).tokens > most_tokens:  # blocks that meet inside a token
        cut = cut[: -max(1, len(cut) // 2000)]
    return cut


def slices(text: str, model: str, most_tokens: int) -> Iterator[str]:
    """None has more tokens than `most_tokens`. A sentence longer than a slice is cut at a space; a longer word, anywhere."""
    start = at = tokens = 0
    budget = max(1, most_tokens - SEAM_TOKENS * (1 + most_tokens // 10_000))
    while at < len(text):
        block = text[at : at + BLOCK_CHARS]
        chars, size = beginning(block, model, budget - tokens)
        at, tokens = at + chars, tokens + size
        if chars == len(block):
            continue
        at = max(at, start + 1)  # a character of more tokens than a slice may have
        cut = _cut(text, start, at)
        yield text[start:cut]
        # what stands between the cut and here is carried into the next slice, and counted again there
        tokens = count_text(text[cut:at], model).tokens if cut < at else 0
        start = cut
    if start < len(text):
        yield text[start:]


def _cut(text: str, start: int, limit: int) -> int:
    """Where to end a slice that may reach to `limit`: a sentence's end in its second half, else a space, else there."""
    half = start + (limit - start) // 2
    ends = [found.end() for found in _END.finditer(text, half, min(limit + 1, len(text))) if found.end() <= limit]
    if ends:
        return ends[-1]
    for at in range(limit, half, -1):
        if _SPACE.match(text, at - 1):
            return at
    return limit

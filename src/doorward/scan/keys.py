"""What providers' keys look like in source, and what only looks like one.

A pattern runs only over texts that hold its mark, a plain substring: that is what makes ten thousand
files a matter of seconds.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from doorward.scan.finding import Sighting

_BEFORE = rb"(?<![A-Za-z0-9_\-/.])"
_BODY = rb"[A-Za-z0-9_\-]"


@dataclass(frozen=True, slots=True)
class Shape:
    """`mark` is in every key of the kind; `pattern`'s group `opaque` is the part that must look random."""

    kind: str
    says: str
    mark: bytes
    pattern: re.Pattern[bytes]


def _shape(kind: str, says: str, mark: bytes, pattern: bytes) -> Shape:
    return Shape(kind, says, mark, re.compile(_BEFORE + pattern))


SHAPES = (
    _shape("anthropic_key", "Anthropic key", b"sk-ant-", rb"sk-ant-(?P<opaque>" + _BODY + rb"{16,})"),
    _shape("openrouter_key", "OpenRouter key", b"sk-or-", rb"sk-or-(?P<opaque>" + _BODY + rb"{16,})"),
    _shape("openai_key", "OpenAI key", b"sk-", rb"sk-(?:proj-|svcacct-|admin-|None-)?(?!ant-|or-)(?P<opaque>" + _BODY + rb"{16,})"),
    _shape("groq_key", "Groq key", b"gsk_", rb"gsk_(?P<opaque>[A-Za-z0-9]{20,})"),
    _shape("google_key", "Google key", b"AIza", rb"AIza(?P<opaque>" + _BODY + rb"{30,})"),
    _shape("xai_key", "xAI key", b"xai-", rb"xai-(?P<opaque>[A-Za-z0-9]{20,})"),
    _shape("perplexity_key", "Perplexity key", b"pplx-", rb"pplx-(?P<opaque>[A-Za-z0-9]{20,})"),
    _shape("huggingface_key", "Hugging Face key", b"hf_", rb"hf_(?P<opaque>[A-Za-z0-9]{20,})"),
    _shape("nvidia_key", "NVIDIA key", b"nvapi-", rb"nvapi-(?P<opaque>" + _BODY + rb"{20,})"),
    _shape("doorward_key", "client key of Doorward", b"dw-", rb"dw-[a-z2-9]{16}-(?P<opaque>[A-Za-z0-9_]{43})(?![A-Za-z0-9_])"),
)

_BEARER = re.compile(rb"(?i)\bbearer[ \t]+(?P<opaque>[A-Za-z0-9._~+/=\-]{20,})")
NEAR_LINES = 10
"""How close to a provider's host a bearer token must stand to be taken for that provider's."""

_NO_KEY = re.compile(
    rb"(?i)your|example|placeholder|change.?me|dummy|fake|canary|redacted|xxxx|\*\*\*|<|(?:0123|1234)567|abcdefgh|(.)\1{4}"
)
"""Words and runs by which people say that a key is none."""
_LEAST_BITS = 2.8
"""Entropy of a character. In 16 random hexadecimal digits it is about 3.2, and in English words joined by dashes 3.5: so
words are told apart by their missing digits, and this drops runs and patterns."""


def keys_in(text: bytes) -> Iterator[Sighting]:
    for shape in SHAPES:
        if shape.mark in text:
            for match in shape.pattern.finditer(text):
                if looks_random(match["opaque"]):
                    yield Sighting("key", shape.kind, shape.says, match.start(), match.end())


def bearers_in(text: bytes, host_lines: set[int], line_of: list[int]) -> Iterator[Sighting]:
    """Tokens of no known shape beside a provider's host. `line_of`: where each line starts."""
    for match in _BEARER.finditer(text):
        line = bisect_right(line_of, match.start())
        near = any(abs(line - host) <= NEAR_LINES for host in host_lines)
        token = match["opaque"]
        if near and looks_random(token) and not any(shape.pattern.match(token) for shape in SHAPES):
            yield Sighting(
                "key", "bearer_token", "bearer token beside a provider's host", match.start("opaque"), match.end("opaque")
            )


def looks_random(opaque: bytes) -> bool:
    if _NO_KEY.search(opaque) or not any(0x30 <= byte <= 0x39 for byte in opaque):
        return False
    size = len(opaque)
    return -sum(count / size * math.log2(count / size) for count in Counter(opaque).values()) >= _LEAST_BITS


def masked(text: bytes) -> bytes:
    """Without any key, real or not: for fingerprints, and for paths that are shown."""
    for shape in SHAPES:
        if shape.mark in text:
            text = shape.pattern.sub(b"***", text)
    return _BEARER.sub(b"Bearer ***", text)

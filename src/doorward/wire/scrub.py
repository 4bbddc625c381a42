"""Whatever looks like a key becomes ``***`` in upstreams' error bodies and header values (R21, I1).

Never applied to a 2xx body: those are the client's own content. The shapes are the providers' published
ones, whole or masked (`sk-abc***wxyz` still tells the last four), plain or with JSON's escapes.
"""

from __future__ import annotations

import re

MASK = b"***"

_CHAR = rb"(?:[A-Za-z0-9_*\-]|\\u00[2-7][0-9A-Fa-f]|%[2-7][0-9A-Fa-f]|\.{3,}|\xe2\x80\xa6)"
_DASH = rb"(?:-|\\u002[dD]|%2[dD])"


def _letter(letter: str) -> bytes:
    """A letter of a prefix, plain or as a JSON escape."""
    code = f"{ord(letter):02x}"
    return b"(?:" + re.escape(letter.encode()) + rb"|(?i:\\u00" + code.encode() + b"))"


def _prefix(text: str) -> bytes:
    return b"".join(_DASH if letter == "-" else _letter(letter) for letter in text)


# A word begins here: "task-…" and "desk-…" are English, but an escape (`\\n`, `%20`) before it is no letter of it.
_WORD = rb"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
_KEYS = b"|".join(
    (
        _WORD + _prefix("sk-") + _CHAR + rb"{6,}",  # OpenAI, Anthropic, DeepSeek, OpenRouter, …
        rb"sk-(?=[A-Za-z_\-]*[0-9])[A-Za-z0-9_\-]{20,}",  # so long and with a digit: even inside a word
        _WORD + _prefix("sk_") + _CHAR + rb"{12,}",
        _WORD + _prefix("sess-") + _CHAR + rb"{12,}",  # OpenAI session keys
        _WORD + _prefix("dw-") + rb"[a-z2-9]{16}" + _DASH + _CHAR + rb"{6,}",  # ours
        _WORD + rb"(?:gsk_|hf_|r8_|fw_|xai-|pplx-|nvapi-|AIza|ya29\.|AKIA)" + _CHAR + rb"{12,}",
        _WORD + rb"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_.\-]{8,}",  # a JWT
    )
)
_VALUE = rb"(?:[A-Za-z0-9._~+/=*\-]|\\u00[2-7][0-9A-Fa-f]|\\/|%[2-7][0-9A-Fa-f]|\xe2\x80\xa6)"
_QUOTES = rb"(?:\\?[\"'`]|\\u002[27])?"
# After words that announce a key, anything long and opaque goes, whatever its shape …
_GIVEN = rb"s?(?:[ ](?:provided|given|is|was|used))?" + _QUOTES + rb"[ \t]{0,8}[:=][ \t]{0,8}" + _QUOTES
_SURE = (
    rb"(?i:"
    + _WORD
    + rb"(?:bearer|basic)(?:[ \t+]{1,8}|%20)"
    + _QUOTES
    + rb"|"
    + _WORD
    + rb"(?:x-)?(?:api|access|secret|auth)[ _-]?(?:key|token)"
    + _GIVEN
    + rb")"
)
# … but "Unknown key: response_format" and "max_tokens: 10000000" are no secrets: these words stand alone, and it needs a digit.
_MAYBE = rb"(?i:(?<![A-Za-z0-9_])(?:key|token|secret|authorization)" + _GIVEN + rb")(?=" + _VALUE + rb"*[0-9])"
_PATTERN = re.compile(rb"(?P<said>" + _SURE + rb"|" + _MAYBE + rb")(?:" + _VALUE + rb"{8,})|(?:" + _KEYS + rb")")
_RUN = re.compile(_VALUE + rb"*")
_SUSPECT = re.compile(
    rb"(?i)k[-_]|bearer|basic|key|token|secret|authoriz|eyj|dw|aiza|ya29|akia|gsk|hf_|r8_|fw_|xai|pplx|nvapi|sess|\\u00"
)

_CONTEXT_BYTES = 512
"""Longer than any announcement with the least that makes a match, in escapes."""
_MAX_HELD_BYTES = 65536


def _mask(match: re.Match[bytes]) -> bytes:
    said: bytes | None = match["said"]
    return (said or b"") + MASK


def scrub(data: bytes) -> bytes:
    """An error's body or a header's value without anything that looks like a key."""
    return _PATTERN.sub(_mask, data) if _SUSPECT.search(data) else data


class Scrubber:
    """`scrub` for a body that arrives in pieces: what may still grow into a key is held back."""

    __slots__ = ("_cutting", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._cutting = False
        """Inside a run longer than we hold: its bytes are dropped until it ends."""

    def feed(self, data: bytes) -> bytes:
        """What is safe to send now, possibly nothing."""
        if self._cutting:
            data = self._drop_run(data)
        held = self._held + data
        cut = len(held) - _CONTEXT_BYTES
        if cut <= 0:
            self._held = held
            return b""
        for match in _PATTERN.finditer(held):
            # A match that reaches the end may go on in the next piece; one across the cut stays whole.
            if match.end() > cut or match.end() == len(held):
                cut = min(cut, match.start())
                break
        if len(held) - cut > _MAX_HELD_BYTES:
            self._held, self._cutting = b"", True
            return scrub(held)
        self._held = held[cut:]
        return scrub(held[:cut])

    def end(self) -> bytes:
        """The rest."""
        held, self._held = self._held, b""
        return scrub(held)

    def _drop_run(self, data: bytes) -> bytes:
        run = _RUN.match(data)
        length = run.end() if run else 0
        self._cutting = length == len(data)
        return data[length:]

"""Names that a client or an upstream chose, as they may stand in the book: bounded, printable, and no key by mistake."""

from __future__ import annotations

import re
from functools import lru_cache

from doorward.wire.scrub import scrub

MAX_REASON_CHARS = 200
MAX_NAME_CHARS = 128

_LIKE_A_KEY = re.compile(r"[sp]k[-_]|dw-|sess-|hf_|xai-|AIza|eyJ")
"""Cheap, because every name of every call is looked at; `scrub` decides."""


def cleaned(text: str, longest: int = MAX_NAME_CHARS) -> str:
    """Without what a database refuses in a text."""
    if _LIKE_A_KEY.search(text):
        text = scrub(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    if len(text) <= longest and text.isprintable():
        return text
    return "".join(character for character in text[:longest] if character.isprintable())


@lru_cache(maxsize=4096)  # the same few models and reasons in call after call
def clean(text: str | None, longest: int = MAX_NAME_CHARS) -> str | None:
    return None if text is None else cleaned(text, longest)

"""Tags of a call, from `x-doorward-tags`: comma-separated words that usage can be grouped by."""

from __future__ import annotations

MAX_TAGS = 8
MAX_TAG_CHARS = 64


def parse(value: bytes | None) -> tuple[str, ...]:
    """At most 8 tags of 64 printable characters, each once, in order; the rest is dropped, never refused.

    Accounting must not fail a call that would otherwise succeed.
    """
    if not value:
        return ()
    tags: dict[str, None] = {}
    for word in value.decode("utf-8", "replace").split(","):
        tag = "".join(character for character in word.strip() if character.isprintable())[:MAX_TAG_CHARS].strip()
        if tag:
            tags[tag] = None
        if len(tags) == MAX_TAGS:
            break
    return tuple(tags)

"""Lists of strings in a `Text` column, as JSON."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


def written(items: Iterable[str]) -> str:
    return msgspec.json.encode(list(items)).decode()


def read(text: str) -> tuple[str, ...]:
    """Anything that is not a list of strings is left out: one row edited by hand must not stop every call."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return ()
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()


def written_if(items: Iterable[str] | None) -> str | None:
    return None if items is None else written(items)


def read_if(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else read(text)

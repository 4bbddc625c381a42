"""What people send, made fit to be stored and sent: NUL and control characters cut, Unicode kept, length bounded (R41)."""

from __future__ import annotations

import re

from doorward.core.errors import BodyTooLarge, Unprocessable

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Line feed, carriage return and tab stay: they are text."""


def clean(text: str) -> str:
    """Without control characters; half a surrogate pair, which no encoding can hold, becomes `?`."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def cleaned(text: str, param: str, most_chars: int) -> str:
    """Raises `Unprocessable` for what is empty, `BodyTooLarge` for what is too long."""
    if len(text) > most_chars:
        raise BodyTooLarge(f"{param} is {len(text):,} characters long; at most {most_chars:,} are taken here.", param=param)
    text = clean(text)
    if not text.strip():
        raise Unprocessable(f"{param} is empty: send some text.", param=param)
    return text

"""Units that stand in the request and not in the answer: characters to speak, images to draw, seconds to hear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from doorward.core.usage import Source, Usage

SPEECH_BYTES_PER_S = {"mp3": 16_000, "aac": 16_000, "opus": 4_000, "flac": 24_000, "wav": 48_000, "pcm": 48_000}
"""Middling rates of the formats that speech is answered in."""
SPEECH_TOKENS_PER_S = 21
"""Audio tokens of a second of speech: OpenAI's price of a minute over its price of a token."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def of_request(kind: str, body: Mapping[str, Any], n: int) -> Usage:
    """Units that stand in the request: characters to speak, images to draw."""
    usage = Usage(source=Source.COUNTED)
    if kind == "speech":
        usage.characters = len(_text(body.get("input")))
    elif kind == "image":
        usage.images = n
        usage.image_size, usage.image_quality = _text(body.get("size")) or None, _text(body.get("quality")) or None
    return usage


_FORM_FIELD = re.compile(rb'name="(size|quality|response_format)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,64})\r\n')


def form_fields(data: bytes) -> dict[str, str]:
    """The small fields of a multipart body that prices depend on."""
    return {name.decode(): value.decode("utf-8", "replace") for name, value in _FORM_FIELD.findall(data)}


def audio_seconds(head: bytes, size: int) -> tuple[float, bool]:
    """An uploaded recording -> (seconds, whether they were measured). `head`: its first bytes; `size`: of the whole.

    A WAV file says its byte rate. Anything else is taken for 64 kbit/s, common for speech.
    """
    at = head.find(b"RIFF")
    if at >= 0 and head[at + 8 : at + 16] == b"WAVEfmt " and len(head) >= at + 32:
        rate = int.from_bytes(head[at + 28 : at + 32], "little")
        if 1000 <= rate <= 10_000_000:
            return max(size - at - 44, 1) / rate, True
    return max(size, 1) / 8000, False


def spoken_tokens(response_format: Any, size: int) -> int:
    """Audio tokens of a spoken answer of `size` bytes, estimated."""
    rate = SPEECH_BYTES_PER_S.get(_text(response_format) or "mp3", 16_000)
    return -(-size * SPEECH_TOKENS_PER_S // rate)

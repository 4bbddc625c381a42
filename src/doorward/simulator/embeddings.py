"""`POST /v1/embeddings`: a hashed bag of words, so that texts that share words are near each other."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import sys
from array import array
from collections import Counter
from functools import lru_cache

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_input
from doorward.simulator.answers import STOP_WORDS
from doorward.simulator.call import Answer, Call, Json, as_json, counted_as, invalid, missing, wanted, whole_number

MAX_INPUTS, MAX_DIMENSIONS, DEFAULT_DIMENSIONS, LARGE_DIMENSIONS = 2048, 4096, 1536, 3072
MAX_CHARS = 32_768
"""Of one text: 8,192 tokens at OpenAI."""
PLACES = 12
"""A word moves this many of the vector's coordinates: enough to keep unrelated words apart."""
_WORD = re.compile(r"[^\W_]+")


def create(call: Call) -> Answer:
    body = call.json()
    model = wanted(body, "model", str)
    texts = _inputs(body)
    dimensions = whole_number(body, "dimensions", 1, MAX_DIMENSIONS) or (
        LARGE_DIMENSIONS if "3-large" in model else DEFAULT_DIMENSIONS
    )
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise invalid("encoding_format", "send float or base64.")
    tokens = count_input("embedding", body, counted_as(model)).tokens
    vectors = [vector(text, dimensions) for text in texts]
    data = [
        {"object": "embedding", "index": at, "embedding": _base64(one) if form == "base64" else one.tolist()}
        for at, one in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return as_json({"object": "list", "data": data, "model": model, "usage": usage}, tokens_in=tokens)


def vector(text: str, dimensions: int) -> array[float]:
    """A unit vector of float32."""
    counts = Counter(_stem(word) for word in _WORD.findall(text.lower()))
    out = array("f", bytes(4 * dimensions))
    for word, times in (counts or Counter([text])).items():
        weight = (1 + math.log(times)) * (0.15 if word in STOP_WORDS else 1.0)
        for place, sign in _places(word):
            out[place % dimensions] += weight * sign
    norm = math.sqrt(sum(value * value for value in out if value))
    if norm == 0.0:  # in very few dimensions words may cancel out
        out[0], norm = 1.0, 1.0
    return array("f", [value / norm for value in out])


@lru_cache(maxsize=16_384)
def _places(word: str) -> tuple[tuple[int, int], ...]:
    """Where a word points, and with which sign."""
    bits = hashlib.shake_128(word.encode("utf-8", "surrogatepass")).digest(4 * PLACES)
    return tuple((int.from_bytes(bits[at : at + 4], "big") >> 1, 1 if bits[at + 3] & 1 else -1) for at in range(0, 4 * PLACES, 4))


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _base64(values: array[float]) -> str:
    if sys.byteorder == "big":
        values = array("f", values)
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def _inputs(body: Json) -> list[str]:
    """A text, texts, token ids or lists of them. Raises `BadRequest` for nothing and for empty texts."""
    given = body.get("input")
    if given is None:
        raise missing("input")
    listed = given if isinstance(given, list) and not (given and isinstance(given[0], int)) else [given]
    if not 1 <= len(listed) <= MAX_INPUTS:
        raise invalid("input", f"send 1 to {MAX_INPUTS} texts.")
    texts: list[str] = []
    for one in listed:
        if isinstance(one, str) and len(one) > MAX_CHARS:
            message = f"This model's maximum context length is {MAX_CHARS // 4} tokens: cut the text into smaller ones."
            raise BadRequest(message, param="input", code="context_length_exceeded")
        if isinstance(one, str) and one:
            texts.append(one)
        elif isinstance(one, list) and one and all(isinstance(token, int) for token in one):
            texts.append(" ".join(f"token{token}" for token in one))
        else:
            raise invalid("input", "each must be a text that is not empty, or token ids.")
    return texts

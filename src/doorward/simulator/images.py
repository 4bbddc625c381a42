"""`/v1/images/*`: real PNG files, drawn from the prompt's digest and made with zlib."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache

from doorward.providers.tokens import count_text
from doorward.simulator import form
from doorward.simulator.call import Answer, Call, Frame, Json, Streamed, as_json, counted_as, event, invalid, wanted, whole_number

MAX_N, MAX_SIDE, DEFAULT_SIDE, COLOURS = 10, 4096, 1024, 64
TOKENS_1024 = {"low": 272, "medium": 1056, "high": 4160}
"""OpenAI's published output tokens of a square gpt-image-1 picture, by quality."""


def generate(call: Call) -> Answer:
    body = call.json()
    return _answer(call, body, wanted(body, "prompt", str), b"", "image_generation")


def edit(call: Call) -> Answer:
    sent = form.read(call)
    return _answer(call, _options(sent), sent.text("prompt"), sent.file("image").data, "image_edit")


def vary(call: Call) -> Answer:
    sent = form.read(call)
    return _answer(call, _options(sent), "", sent.file("image").data, "image_variation")


def _options(sent: form.Form) -> Json:
    body: Json = {name: values[0] for name, values in sent.fields.items()}
    if "n" in body:
        body["n"] = int(body["n"]) if str(body["n"]).isdecimal() else str(body["n"])
    return body


def _answer(call: Call, body: Json, prompt: str, source: bytes, kind: str) -> Answer:
    model = str(body.get("model") or "dall-e-2")
    n = whole_number(body, "n", 1, MAX_N) or 1
    width, height = _size(body)
    quality = str(body.get("quality") or "medium")
    source_id = hashlib.sha1(source, usedforsecurity=False).hexdigest()
    pictures = [png(f"{prompt}|{index}|{source_id}", width, height) for index in range(n)]
    encoded = [base64.b64encode(picture).decode() for picture in pictures]
    each = TOKENS_1024.get(quality, TOKENS_1024["medium"]) * width * height // 1024**2
    text_tokens = count_text(prompt, counted_as(model)).tokens
    image_tokens = 323 if source else 0
    usage = {
        "input_tokens": text_tokens + image_tokens,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
        "output_tokens": each * n,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": each * n},
        "total_tokens": text_tokens + image_tokens + each * n,
    }
    about: Json = {"size": f"{width}x{height}", "quality": quality, "background": "opaque", "output_format": "png"}
    if call.streamed:
        told = _events(kind, encoded, {"created_at": call.created, **about}, usage, each)
        return Streamed(told, text_tokens + image_tokens, end=b"")
    # DALL·E answers with URLs unless told otherwise; a data URL holds the picture itself, so it never breaks.
    default = "url" if "dall-e" in model else "b64_json"
    if (body.get("response_format") or default) == "url":
        data = [{"url": f"data:image/png;base64,{one}"} for one in encoded]
    else:
        data = [{"b64_json": one} for one in encoded]
    shown: Json = {"created": call.created, "data": data}
    if "dall-e" not in model:
        shown |= {**about, "usage": usage}
    return as_json(shown, tokens_in=usage["input_tokens"], tokens_out=each * n)


def _events(kind: str, encoded: list[str], about: Json, usage: Json, each: int) -> Iterator[Frame]:
    for one in encoded:
        yield event({"type": f"{kind}.completed", "b64_json": one, **about, "usage": usage}, f"{kind}.completed"), each


def _size(body: Json) -> tuple[int, int]:
    size = body.get("size") or "auto"
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size) if isinstance(size, str) else None
    if found is None and size != "auto":
        raise invalid("size", "write it like 1024x1024, or auto.")
    width, height = (int(found[1]), int(found[2])) if found else (DEFAULT_SIDE, DEFAULT_SIDE)
    if not (16 <= width <= MAX_SIDE and 16 <= height <= MAX_SIDE):
        raise invalid("size", f"sides from 16 to {MAX_SIDE}.")
    return width, height


@lru_cache(maxsize=16)
def png(seed: str, width: int, height: int) -> bytes:
    """A picture of coloured waves with a palette of its own, the same for the same seed."""
    bits = hashlib.shake_128(seed.encode("utf-8", "surrogatepass")).digest(8)
    first, second = bits[0:3], bits[3:6]
    palette = b"".join(bytes((first[c] * (COLOURS - at) + second[c] * at) // COLOURS for c in range(3)) for at in range(COLOURS))
    wave, slope = 8 + bits[6] % 56, 1 + bits[7] % 7
    ramp = bytes(min(abs(x % (2 * COLOURS) - COLOURS), COLOURS - 1) for x in range(width + 8 * COLOURS))
    rows = bytearray()
    for y in range(height):
        shift = (y // slope + (y // wave) * 5) % (8 * COLOURS)
        rows += b"\0" + ramp[shift : shift + width]
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(bytes(rows), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )

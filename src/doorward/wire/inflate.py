"""A compressed body made readable, up to a cap. Upstreams are asked for `identity`; some compress all the same."""

from __future__ import annotations

import zlib

_WINDOW = {b"gzip": zlib.MAX_WBITS | 16, b"x-gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}


def plain(body: bytes, encoding: bytes | None, most_bytes: int) -> bytes | None:
    """The first `most_bytes` of what was compressed; `None` for an encoding that is not known and for broken bytes.

    A bomb stops at the cap: no more than that is ever made.
    """
    name = (encoding or b"identity").strip().lower()
    if name in (b"identity", b""):
        return body[:most_bytes]
    window = _WINDOW.get(name)
    if window is None:
        return None
    try:
        return zlib.decompressobj(window).decompress(body, most_bytes)
    except zlib.error:
        if name != b"deflate":
            return None
    try:  # many servers say deflate and send it without zlib's frame
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, most_bytes)
    except zlib.error:
        return None

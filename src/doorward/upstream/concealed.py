"""An answer as one attempt got it: whatever the upstream says of a failure, this attempt's key is cut out of it (I1).

`wire/scrub` knows keys by their published shapes; a provider's key may have none. The `Secret` lives as
long as the attempt's own headers do, and is looked for in heads and in errors, never in a 2xx body (R21).
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes

from doorward.core.exchange import Header
from doorward.core.secret import Secret
from doorward.upstream.port import Incoming

MASK = b"***"
_PLAIN = re.compile(rb"[A-Za-z0-9_.~-]+")
LEAST_BYTES = 8
"""A shorter key would be found in every other word; nobody issues one."""


class Concealed:
    """Implements `upstream.port.Incoming`; reading and closing are the answer's own."""

    __slots__ = ("_secret", "close", "headers", "read", "status")

    def __init__(self, incoming: Incoming, secret: Secret | None) -> None:
        self._secret = secret if secret is not None and len(secret) >= LEAST_BYTES else None
        self.status: int = incoming.status
        self.headers: list[Header] = self._head(incoming.headers)
        self.read = incoming.read
        self.close = incoming.close

    def _head(self, headers: list[Header]) -> list[Header]:
        if self._secret is None:
            return headers
        forms = _forms(self._secret)
        for _, value in headers:  # nearly every answer has none: look first
            for form in forms:
                if form in value:
                    return [(name, _cut(value, forms)) for name, value in headers]
        return headers

    def conceal(self, data: bytes) -> bytes:
        """What an upstream said of a failure, without the key in any spelling that it could have quoted."""
        return data if self._secret is None else _cut(data, _forms(self._secret))

    def conceal_text(self, text: str | None) -> str | None:
        return None if text is None else self.conceal(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _forms(secret: Secret) -> tuple[bytes, ...]:
    key = secret.reveal()
    if _PLAIN.fullmatch(key):
        return (key,)  # quoting would leave it as it is
    return (key, quote_from_bytes(key, safe="").encode())


def _cut(data: bytes, forms: tuple[bytes, ...]) -> bytes:
    for form in forms:
        data = data.replace(form, MASK)
    if b"\\u00" in data.lower():
        for escaped in ("".join(f"\\u{byte:04x}" for byte in forms[0]), "".join(f"\\u{byte:04X}" for byte in forms[0])):
            data = data.replace(escaped.encode(), MASK)
    return data

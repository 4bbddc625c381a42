"""An answer as one attempt got it: whatever the upstream says of a failure, this attempt's key is cut out of it (I1).

`wire/scrub` knows keys by their published shapes; a provider's key may have none. The `Secret` lives as
long as the attempt's own headers do, and is looked for in heads and in errors, never in a 2xx body (R21).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote_from_bytes

from msgspec import Struct

from doorward.core.exchange import Header
from doorward.core.secret import Secret
from doorward.upstream.port import Incoming

MASK = b"***"
_PLAIN = re.compile(rb"[A-Za-z0-9_.~-]+")
LEAST_BYTES = 8
"""A shorter key would be found in every other word; nobody issues one."""


class Concealed(Struct, eq=False):
    """An `upstream.port.Incoming` with what is known of its head; reading and closing are the answer's own. Made by `concealed`."""

    status: int
    headers: list[Header]
    named: dict[bytes, bytes]
    """The first value of each header."""
    read: Callable[[float], Awaitable[bytes]]
    close: Callable[[], None]
    _secret: Secret | None
    """This attempt's key."""

    def conceal(self, data: bytes) -> bytes:
        """What an upstream said of a failure, without the key in any spelling that it could have quoted."""
        forms = _forms(self._secret) if self._secret is not None else ()
        return _cut(data, forms) if forms else data

    def conceal_text(self, text: str | None) -> str | None:
        return None if text is None else self.conceal(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def concealed(incoming: Incoming, secret: Secret | None) -> Concealed:
    headers = incoming.headers
    forms = _forms(secret) if secret is not None else ()
    if forms:
        said = b"\0".join([value for _, value in headers])  # nearly every answer has none: look at all of them at once
        for form in forms:
            if form in said:
                headers = [(name, _cut(value, forms)) for name, value in headers]
                break
    return Concealed(incoming.status, headers, dict(reversed(headers)), incoming.read, incoming.close, secret)


def _forms(secret: Secret) -> tuple[bytes, ...]:
    key = secret.reveal()
    if len(key) < LEAST_BYTES:
        return ()
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

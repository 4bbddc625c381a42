"""Where a credential may stand in a request, and what is refused before anything is looked up.

A client key is accepted as ``Authorization: Bearer``, ``x-api-key`` and ``api-key`` with the same
checks on each (R14); the same key on two of them is one credential, two different ones are a 400.
Nothing here echoes a value.
"""

from __future__ import annotations

from doorward.core.client_key import PREFIX
from doorward.core.errors import BadRequest, InvalidApiKey
from doorward.core.exchange import Headers

MAX_KEY_BYTES = 256
"""Ours have 63; a longer credential is not one of ours."""

_PREFIX = PREFIX.encode()
_BEARER = b"bearer "
_CARRIERS = frozenset({b"authorization", b"x-api-key", b"api-key"})

USE = "Send a client key as Authorization: Bearer dw-..."


def presented_key(headers: Headers, *, only_ours: bool = False) -> bytes | None:
    """The one credential of a request, or `None`.

    `only_ours` (custody `anonymous`): what does not begin with ``dw-`` is no credential, for SDKs
    always send one. Raises `BadRequest` for two that differ, `InvalidApiKey` for an unusable one.
    """
    found: bytes | None = None
    for name, value in headers:
        if name not in _CARRIERS:
            continue
        key = _bearer(value) if name == b"authorization" else value.strip()
        if only_ours and not (key is not None and key.startswith(_PREFIX)):
            continue
        if key is None:
            raise InvalidApiKey(f"The Authorization header is not of the form Bearer. {USE}")
        if found is not None and found != key:
            raise BadRequest("Two different credentials were sent. Send one client key, in one header.")
        found = key
    if found is None:
        return None
    if not found:
        raise InvalidApiKey(f"The client key is empty. {USE}")
    if len(found) > MAX_KEY_BYTES or not found.isascii():
        raise InvalidApiKey(f"The credential is not a client key of this server. {USE}")
    return found


def _bearer(value: bytes) -> bytes | None:
    value = value.strip()
    if value[:7].lower() == _BEARER:
        return value[7:].strip()
    return b"" if value.lower() == b"bearer" else None


def cookie(headers: Headers, name: bytes) -> bytes | None:
    """The value of cookie `name`, or `None`. Two that differ are a planted one: `BadRequest`."""
    found: bytes | None = None
    for field, value in headers:
        if field != b"cookie":
            continue
        for pair in value.split(b";"):
            key, equals, content = pair.strip().partition(b"=")
            if not equals or key != name:
                continue
            if found is not None and found != content:
                raise BadRequest("Two different session cookies were sent. Clear this site's cookies and sign in again.")
            found = content
    return found

"""Client keys: ``dw-<public id>-<secret>``.

The public id (16 characters) finds the row; the secret (43 characters, 256 bits) is kept only
as SHA-256 of the whole key. A random 256-bit secret needs no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec

from doorward.core.secret import Secret

PREFIX = "dw-"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no 0/o, 1/l: ids are read aloud
_SHAPE = re.compile(rb"dw-([a-z2-9]{16})-([A-Za-z0-9_]{43})")


class ClientKey(msgspec.Struct, frozen=True):
    """A key as the client sends it. `digest` is what the database holds."""

    public_id: str
    digest: bytes


def make() -> tuple[str, Secret, bytes]:
    """A new key -> (public id, whole key, digest)."""
    public_id = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    # token_urlsafe may hold "-"; the separator must stay unambiguous for people who copy by hand
    body = secrets.token_urlsafe(32).replace("-", "_")
    whole = f"{PREFIX}{public_id}-{body}".encode()
    return public_id, Secret(whole), digest(whole)


def parse(presented: bytes) -> ClientKey | None:
    """What stood in a header -> its parts, or `None` if it is not of our form."""
    match = _SHAPE.fullmatch(presented)
    return ClientKey(match[1].decode(), digest(presented)) if match else None


def digest(whole: bytes) -> bytes:
    return hashlib.sha256(whole).digest()

"""A provider's base URL taken apart once: where to connect, and what stands before `/v1`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from doorward.providers.provider import Provider
from doorward.upstream.port import Origin

_DEFAULT_PORTS = {"https": 443, "http": 80, "simulator": 0}


@dataclass(frozen=True, slots=True)
class Place:
    origin: Origin
    base_path: bytes
    """Without a trailing slash and without ``/v1``; `b""` for most."""


def place_of(provider: Provider) -> Place:
    """`base_url` was checked when it was stored; `ValueError` here means the row was written by other hands."""
    parts = urlsplit(provider.base_url)
    if parts.scheme not in _DEFAULT_PORTS or (parts.scheme != "simulator" and not parts.hostname):
        raise ValueError(f"provider {provider.id!r} has no usable base URL: it must start with https:// or http://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"provider {provider.id!r}: its base URL must be scheme, host, port and path only")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    path = parts.path.rstrip("/").removesuffix("/v1")
    return Place(Origin(parts.scheme, parts.hostname or "", port, provider.allow_private), path.encode("ascii"))

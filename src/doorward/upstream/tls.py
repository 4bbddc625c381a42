"""How upstreams prove who they are: verified always, TLS 1.2 or later, HTTP/1.1 agreed."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi


def context(extra_ca: Path | None = None) -> ssl.SSLContext:
    """Trust the system's authorities, certifi's where the system has none, and those in `extra_ca` (PEM)."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if not _system_has_authorities():
        made.load_verify_locations(certifi.where())
    if extra_ca is not None:
        made.load_verify_locations(extra_ca)
    return made


def _system_has_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile is not None or (paths.capath is not None and any(Path(paths.capath).iterdir()))

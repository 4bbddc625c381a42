"""Where people open Doorward: one fact from settings, never from a request's Host.

Passkeys bind to it, cookies take their protection from it, sign-in redirects come back to it,
and a write from a page is compared with it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from doorward.core.errors import BadRequest


@dataclass(slots=True)
class Site:
    """`origin` is ``scheme://host[:port]`` in lower case, the default port left out.

    Not frozen for one reason: a server on port 0, or with TLS of its own, knows its address once it listens.
    """

    origin: str
    host: str
    is_https: bool
    is_given: bool
    """`DOORWARD_PUBLIC_URL` was set; else people may also open the server by its addresses."""

    @classmethod
    def of(cls, public_url: str | None, port: int) -> Site:
        """`public_url` as set, or `http://localhost:<port>`. Raises `BadRequest` for what is not a web address."""
        parts = urlsplit((public_url or f"http://localhost:{port}").strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise BadRequest("DOORWARD_PUBLIC_URL is not a web address: write it as https://doorward.example.com")
        if parts.path.strip("/"):
            raise BadRequest("DOORWARD_PUBLIC_URL has a path: Doorward needs a host name of its own, without a path")
        return cls(
            origin_of(public_url or f"http://localhost:{port}") or "", parts.hostname, parts.scheme == "https", bool(public_url)
        )

    def listens_on(self, port: int, *, is_https: bool = False) -> None:
        """The server's port and scheme, once they are known; a public URL that was set stays."""
        if not self.is_given:
            self.is_https = is_https
            self.origin = origin_of(f"{'https' if is_https else 'http'}://{self.host}:{port}") or self.origin

    @property
    def cookie_name(self) -> bytes:
        # __Host- makes browsers refuse the cookie from subdomains and without Secure
        return b"__Host-doorward" if self.is_https else b"doorward"

    @property
    def passkeys_work(self) -> bool:
        """Browsers offer passkeys on https and on localhost, never on an IP address."""
        return (self.is_https or self.host == "localhost") and not is_address(self.host)

    def url(self, path: str) -> str:
        return self.origin + path


def origin_of(url: str) -> str | None:
    """``scheme://host[:port]``, normalised; `None` for what has none (``null``, junk)."""
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{host}" if port in (None, default) else f"{parts.scheme}://{host}:{port}"


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, which DNS cannot be made to lie about."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True

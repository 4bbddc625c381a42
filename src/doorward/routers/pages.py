"""Whether a write comes from a page of the host's own (R13), as far as a router can know.

Signed in: only what a browser sends by itself counts, so a request without cookies, or with an
Authorization header, is a program's. Anonymous: every write counts, as on the server.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from doorward.core.errors import Forbidden
from doorward.core.exchange import Headers, header
from doorward.edge.origin import is_own
from doorward.identity.site import Site, origin_of

_FOREIGN = "This request comes from a page of another site. Open the app at its own address."
_OURS = (b"same-origin", b"none")


def check_signed_in(headers: Headers, site: Site) -> None:
    """Without a public URL, an Origin must name the host that was asked for."""
    if header(headers, b"cookie") is None or header(headers, b"authorization") is not None:
        return
    origin, fetch_site = header(headers, b"origin"), header(headers, b"sec-fetch-site")
    theirs = None if origin is None else origin_of(origin.decode("latin-1"))
    if site.is_given and theirs == site.origin:
        return
    if fetch_site is not None and fetch_site.strip().lower() not in _OURS:
        raise Forbidden(_FOREIGN)
    if origin is not None and (site.is_given or theirs is None or not _names(theirs, header(headers, b"host"))):
        raise Forbidden(_FOREIGN)


def check_anonymous(headers: Headers, site: Site) -> None:
    """A name that DNS can turn round is no proof: without a public URL only localhost and plain addresses are."""
    origin, fetch_site = header(headers, b"origin"), header(headers, b"sec-fetch-site")
    if fetch_site is not None and fetch_site.strip().lower() not in _OURS:
        raise Forbidden(_FOREIGN)
    if origin is not None and not is_own(origin, headers, site):
        raise Forbidden(_FOREIGN)


def check_near(request: Request) -> None:
    """Custody `anonymous` serves this machine alone, unless it is told otherwise (R6)."""
    for end in (request.scope.get("client"), request.scope.get("server")):
        if end is not None and not _is_near(str(end[0])):
            raise Forbidden("This is open to this machine alone. The operator can allow others: DOORWARD_ALLOW_PUBLIC_ANONYMOUS=1.")


def _names(origin: str, host: bytes | None) -> bool:
    scheme = origin.partition("://")[0]
    return host is not None and origin == origin_of(f"{scheme}://{host.decode('latin-1')}")


def _is_near(address: str) -> bool:
    """Names are no addresses of a socket: a Unix socket's path, a test client's word."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True

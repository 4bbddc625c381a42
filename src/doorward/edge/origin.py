"""Whether a request comes from our own pages (R13).

Writes by session, and all writes in custody `anonymous`, are refused when Origin or Sec-Fetch-Site
is foreign; with neither header only a session's write is refused. Nothing is asked of the Host
header alone, which a rebound DNS name controls.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from doorward.core.caller import Caller
from doorward.core.errors import Forbidden
from doorward.core.exchange import Headers, header
from doorward.identity.custody import POLICIES, Custody
from doorward.identity.site import Site, is_address, origin_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_write(method: str, headers: Headers, site: Site, custody: Custody, caller: Caller | None) -> None:
    """For every request with a `Caller`; `None`: a sign-in, which a foreign page must not start either."""
    if method in SAFE:
        return
    by_session = caller is None or caller.session_id is not None
    if by_session or not POLICIES[custody].login:
        check_own(headers, site, needs_proof=by_session)


def check_own(headers: Headers, site: Site, *, needs_proof: bool) -> None:
    """Whatever the method (adapter pages, streams by GET). `needs_proof`: neither header is refused too."""
    origin = header(headers, b"origin")
    fetch_site = header(headers, b"sec-fetch-site")
    if origin is None and fetch_site is None:
        if needs_proof:
            raise Forbidden(
                "This request does not say which page it comes from. Programs use a client key: Authorization: Bearer dw-..."
            )
        return
    if fetch_site is not None and fetch_site.strip().lower() not in (b"same-origin", b"none"):
        raise Forbidden(f"This request comes from another site. Open Doorward at {site.origin}")
    if origin is not None and not is_own(origin, headers, site):
        raise Forbidden(f"This request comes from another site. Open Doorward at {site.origin}")


def is_own(origin: bytes, headers: Headers, site: Site) -> bool:
    """Our address; without `DOORWARD_PUBLIC_URL` also localhost and plain IP addresses that were really asked for."""
    theirs = origin_of(origin.decode("latin-1"))
    if theirs is None:
        return False
    if theirs == site.origin:
        return True
    if site.is_given:
        return False
    asked = header(headers, b"host")
    name = urlsplit(theirs).hostname or ""
    if asked is None or not (name == "localhost" or is_address(name)):
        return False
    scheme = theirs.partition("://")[0]
    return theirs == origin_of(f"{scheme}://{asked.decode('latin-1')}")

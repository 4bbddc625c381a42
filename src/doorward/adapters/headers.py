"""Which headers an adapter may add, let through and bring back; why not the others.

What passes without being named is `wire.headers`' table, and a few more that any HTTP API needs.
"""

from __future__ import annotations

import re

ALSO_FORWARD: dict[bytes, str] = {
    b"if-match": "a change is made only to the version that the client knows",
    b"if-unmodified-since": "the same, by date",
    b"if-range": "belongs to range",
    b"idempotency-key": "lets the upstream recognise a call that it has already done",
    b"prefer": "asks for a form of answer",
}
ALSO_RETURN: dict[bytes, str] = {
    b"location": "a redirect goes back as it is and is never followed; the address of what was made",
    b"content-location": "where this answer has an address of its own",
    b"link": "the next page of a list",
    b"allow": "which methods a 405 would have taken",
    b"content-encoding": "the body passes as it came, compressed or not",
    b"content-md5": "a check of the body, which passes as it came",
    b"etag": "belongs to if-match",
}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_FRAMING = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "proxy-authenticate",
        "x-request-id",
    }
)
_CLIENTS_OWN = frozenset({"authorization", "x-api-key", "api-key", "cookie", "origin", "referer", "forwarded", "x-forwarded-for"})
"""They are the client's towards us, and never go upstream (R19)."""
_BINDS_OUR_HOST = frozenset(
    {
        "set-cookie",
        "www-authenticate",
        "strict-transport-security",
        "content-security-policy",
        "alt-svc",
        "clear-site-data",
        "service-worker-allowed",
        "refresh",
        "x-content-type-options",
    }
)


def injected_refusal(name: str, known: set[str]) -> str | None:
    """Why an adapter cannot send this header, or `None`."""
    if not _TOKEN.fullmatch(name):
        return "a header's name has characters that HTTP does not allow"
    if name.lower() in _FRAMING:
        return f"header {name} is written by Doorward itself"
    if name.lower() in known:
        return f"header {name} stands twice"
    return None


def forward_refusal(name: str) -> str | None:
    """Why a header of the client's cannot be let through."""
    if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
        return "forwardHeaders takes names of headers, not of those that belong to the connection"
    if name.lower() in _CLIENTS_OWN or name.lower().startswith("x-doorward-"):
        return f"forwardHeaders cannot let {name.lower()} through: it is between the client and Doorward"
    return None


def return_refusal(name: str) -> str | None:
    """Why a header of the upstream's cannot go back."""
    if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
        return "returnHeaders takes names of headers, not of those that belong to the connection"
    if name.lower() in _BINDS_OUR_HOST or name.lower().startswith(("access-control-", "x-doorward-", "sec-")):
        return f"returnHeaders cannot bring {name.lower()} back: it would bind Doorward's own address"
    return None

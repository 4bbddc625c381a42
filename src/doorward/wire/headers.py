"""Which headers pass, in each direction. Whatever is not in the tables stays behind (R19).

Request: everything that identifies the client to us (authorization, x-api-key, api-key, cookie) or
to an account that is not its own (openai-organization, openai-project), everything hop-by-hop, Host,
the SDK's own telemetry (x-stainless-*) and our own x-doorward-* are absent from the table, so they
never reach an upstream. The relay adds x-request-id, Host and the length; the account's credential is
added last, elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from doorward.core.errors import BadRequest, UpstreamFailed
from doorward.core.exchange import Header, Headers

REQUEST: dict[bytes, str] = {
    b"accept": "chooses between JSON and an event stream, and binary formats of speech",
    b"accept-language": "some upstreams localise their messages by it; names nobody",
    b"content-type": "without it a body cannot be read; carries multipart's boundary",
    b"openai-beta": "switches on the beta surface that the client was written for (R19)",
    b"user-agent": "upstreams sort compatibility problems by it",
    b"range": "parts of a stored file's content",
    b"if-none-match": "an upstream may answer 304 to a list that has not changed",
    b"if-modified-since": "the same, by date",
    b"traceparent": "joins our caller's trace with the upstream's",
    b"tracestate": "belongs to traceparent",
    b"anthropic-version": "Anthropic's compatible API versions its answers by it",
    b"anthropic-beta": "the same, for betas",
}

RESPONSE: dict[bytes, str] = {
    b"content-type": "says what the body is",
    b"content-disposition": "file name of a downloaded object",
    b"content-range": "which part of a file this is",
    b"accept-ranges": "that parts may be asked for",
    b"content-language": "describes the body",
    b"cache-control": "lists and files may be kept by the client",
    b"etag": "belongs to if-none-match",
    b"last-modified": "belongs to if-modified-since",
    b"expires": "belongs to cache-control",
    b"retry-after": "how long the upstream asks to wait; clients obey it",
    b"retry-after-ms": "the same, finer",
    b"openai-processing-ms": "the model's own time, for diagnosis",
    b"openai-version": "the API's version; names no account",
    b"openai-model": "the snapshot that answered",
}
# openai-organization and openai-project tell whose account it was; set-cookie would give the client the
# account's affinity cookie; x-should-retry and x-request-id are the relay's to say; server, via, cf-* and
# alt-svc describe the upstream's front, not ours; strict-transport-security and CSP would bind our own host.

RESPONSE_PREFIXES: tuple[bytes, ...] = (b"x-ratelimit-",)
"""What is left of the account's limits; the relay replaces them where the key has limits of its own (R32)."""

LENGTH = b"content-length"
"""Passes only where the body passes unchanged."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONNECTION = b"connection"
_MOST_REMEMBERED = 1024
"""Names of headers that are not looked at again; a client may invent them without end."""


class _BadName(ValueError):
    pass


class _Table:
    """Which names pass one way. A name is checked, put in lower case and looked up once, and remembered after that."""

    def __init__(self, names: Iterable[bytes], prefixes: tuple[bytes, ...] = ()) -> None:
        self._names = frozenset(names)
        self._prefixes = prefixes
        self.known: dict[bytes, bytes] = {}
        """Name as it came -> in lower case if it passes, or is `Connection`; else empty."""

    def learn(self, name: bytes) -> bytes:
        """What `known` will say. Raises `_BadName`."""
        if not _NAME.fullmatch(name):
            raise _BadName
        lower = name.lower()
        kept = lower if lower in self._names or lower.startswith(self._prefixes) or lower == _CONNECTION else b""
        if len(self.known) < _MOST_REMEMBERED:
            self.known[name] = kept
        return kept

    def kept(self, headers: Headers) -> list[Header]:
        """Those that pass, names in lower case, without what `Connection` takes out. Raises `_BadName`."""
        known = self.known
        kept: list[Header] = []
        taken_out: set[bytes] = set()
        for name, value in headers:
            lower = known.get(name)
            if lower is None:
                lower = self.learn(name)
            if not lower:
                continue
            if lower == _CONNECTION:
                taken_out |= {token.strip().lower() for token in value.split(b",")}
            else:
                kept.append((lower, value))
        return [item for item in kept if item[0] not in taken_out] if taken_out else kept


_UP = _Table(REQUEST)
_DOWN = _Table((*RESPONSE, LENGTH), RESPONSE_PREFIXES)


def forward(headers: Headers) -> list[Header]:
    """The client's headers that an upstream may see. Raises `BadRequest` for what no client may send at all."""
    try:
        kept = _UP.kept(headers)
    except _BadName:
        raise BadRequest("A header's name holds a character that is not allowed there.") from None
    if not _are_values(headers):
        raise BadRequest("A header's value holds a control character.")
    if [name for name, _ in kept].count(b"content-type") > 1:
        # We would read the body by the one and the upstream by the other.
        raise BadRequest("The Content-Type header stands twice; send it once.", param="content-type")
    return kept


def back(headers: Headers, status: int, *, unchanged: bool = False) -> list[Header]:
    """The upstream's headers that a client may see.

    `unchanged`: the body goes on byte for byte, so its length holds; never for 1xx, 204 and 304, which
    have none. Raises `UpstreamFailed` for a name or value that would split our own answer.
    """
    try:
        kept = _DOWN.kept(headers)
    except _BadName:
        kept = None
    if kept is None or not _are_values(headers):
        raise UpstreamFailed("The upstream's answer has a header with characters that are not allowed there.")
    if unchanged and status >= 200 and status not in (204, 304):
        return kept
    return [item for item in kept if item[0] != LENGTH]


def _are_values(headers: Headers) -> bool:
    """All at once: what is allowed in one value is allowed in all of them, end to end."""
    return _BAD_VALUE.search(b"".join([value for _, value in headers])) is None

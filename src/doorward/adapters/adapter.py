"""One upstream API as the operator's file describes it. Frozen; a changed file makes a new one."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.adapters.base_url import BaseUrl
from doorward.core.caller import Caller
from doorward.core.exchange import Header
from doorward.core.secret import Secret

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
METHODS = frozenset({
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY", "PROPFIND", "PROPPATCH", "REPORT", "SEARCH", "MKCOL",
    "MKCALENDAR", "COPY", "MOVE", "LOCK", "UNLOCK", "ACL", "BIND", "REBIND", "UNBIND", "LINK", "UNLINK", "MERGE", "CHECKOUT",
    "MKACTIVITY", "PURGE", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE",
})  # fmt: skip
"""Every one that the HTTP parser knows, but CONNECT, which is no request to an API, and TRACE, whose answer is our headers."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 3600.0


DEFAULT_TIMEOUTS = Timeouts()
MAX_REQUEST_BYTES = 512 * 2**20
MAX_RESPONSE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Adapter:
    name: str
    line: int
    base_url: BaseUrl
    headers: tuple[tuple[bytes, Secret], ...] = ()
    """Sent with every call, names in lower case. Values may hold secrets, so all are treated as such."""
    secrets: tuple[Secret, ...] = ()
    """What the variables held: cut out of error answers."""
    hidden_url: bool = False
    """The base URL has a variable in it: not even its host is told."""
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    methods: frozenset[str] = METHODS
    paths: tuple[bytes, ...] = ()
    """Allowed path prefixes, whole segments; empty: every path."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    max_response_bytes: int = MAX_RESPONSE_BYTES
    allow_private: bool = False
    retries: int = 0
    """More attempts for idempotent methods, where nothing was sent or a complete 408, 429 or 5xx came back."""
    roles: frozenset[str] | None = None
    keys: frozenset[str] | None = None
    """Public ids of client keys. With `roles` too, either suffices."""
    forward_headers: frozenset[bytes] = frozenset()
    return_headers: frozenset[bytes] = frozenset()
    prices: str | None = None
    """A provider whose price list applies (OpenAI's format), or ``free``; `None`: told by the host, else unknown."""
    lists_methods: bool = False
    """The document says `methods` itself. Agents use more than GET only then."""

    def admits(self, caller: Caller) -> bool:
        """Whether this caller may use it: the key's own list, then the adapter's."""
        if "call" not in caller.scopes:
            return False
        if caller.adapters is not None and not any(_names(entry, self.name) for entry in caller.adapters):
            return False
        if self.roles is None and self.keys is None:
            return True
        if self.keys is not None and caller.key_id in self.keys:
            return True
        role = "admin" if caller.is_admin else caller.role
        return self.roles is not None and (role in self.roles or (role == "admin" and "user" in self.roles))

    def sent_headers(self) -> list[Header]:
        """The headers of one request, opened."""
        return [(name, value.reveal()) for name, value in self.headers]


def _names(entry: str, name: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else entry == name

"""W3C trace context: the client's `traceparent` read, ours written for each attempt.

Ids are worked out from what a call already is (its request id, the moment it arrived, the attempt's number), so that
nothing has to be carried along the request path: whoever knows the exchange knows its ids. They are unique, not secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from doorward.core.exchange import Exchange

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Of one call. `parent_id` = `None`: the trace begins here."""

    trace_id: int
    span_id: int
    parent_id: int | None
    sampled: bool


def of(request_id: str, arrived_s: float, traceparent: bytes | None) -> TraceContext:
    """The client's trace if it sent a valid `traceparent`, else one of our own. `arrived_s`: monotonic."""
    found = _parent(traceparent)
    if found is None:
        return TraceContext(_id(request_id, arrived_s, b"trace", 16), span_of(request_id, arrived_s, 0), None, True)
    trace_id, parent_id, sampled = found
    return TraceContext(trace_id, span_of(request_id, arrived_s, 0), parent_id, sampled)


def span_of(request_id: str, arrived_s: float, attempt: int) -> int:
    """Span id of an attempt; 0: of the call itself."""
    return _id(request_id, arrived_s, b"%d" % attempt, 8)


def outgoing(exchange: Exchange, attempt: int) -> bytes:
    """The `traceparent` that an upstream sees: its parent is our attempt."""
    request_id, arrived_s = exchange.request_id, exchange.arrived_s
    context = of(request_id, arrived_s, exchange.header(b"traceparent"))
    return b"00-%032x-%016x-%02x" % (context.trace_id, span_of(request_id, arrived_s, attempt), context.sampled)


def _parent(value: bytes | None) -> tuple[int, int, bool] | None:
    found = _TRACEPARENT.fullmatch(value) if value is not None else None
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return (trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None


def _id(request_id: str, arrived_s: float, what: bytes, size: int) -> int:
    digest = blake2b(request_id.encode(), digest_size=size, key=b"%s %a" % (what, arrived_s))
    return int.from_bytes(digest.digest(), "big") or 1

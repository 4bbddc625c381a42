"""A settled call as spans and measurements, by OpenTelemetry's GenAI semantic conventions.

    POST /v1/chat/completions      server    the call: status, cache, cost, attempts, tokens
      chat gpt-4o-mini             client    each attempt: provider, models, usage, how it ended

Nothing of what was said, no key, no user. Only for processes that export: OpenTelemetry is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from doorward.store.call_rows import AttemptRow, CallRow
from doorward.telemetry import trace_context
from doorward.telemetry.feed import Seen

_NS = 1_000_000_000
_FAILED = frozenset({"failed", "cut", "crashed"})
_SENT_WELL = frozenset({"done", "first_event"})
_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}

Value = str | int | float | bool


def operation_of(endpoint: str) -> str:
    """`gen_ai.operation.name`; for endpoints that the conventions do not name, the path's own words."""
    return _OPERATIONS.get(endpoint) or endpoint.removeprefix("/v1/").replace("/", "_") or "call"


def spans_of(seen: Seen, resource: Resource, scope: InstrumentationScope) -> Iterator[ReadableSpan]:
    """The call's span and its attempts'; none where the client's trace is not sampled."""
    call = seen.settled.call
    context = trace_context.of(call.id, seen.arrived_s, seen.traceparent)
    if not context.sampled:
        return
    parent = _context(context.trace_id, context.parent_id, remote=True) if context.parent_id is not None else None
    own = _context(context.trace_id, context.span_id)
    yield ReadableSpan(
        name=f"{seen.method} {call.endpoint}",
        context=own,
        parent=parent,
        resource=resource,
        instrumentation_scope=scope,
        attributes=_call_attributes(seen),
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if call.outcome in _FAILED else StatusCode.UNSET),
        start_time=_ns(call, 0.0),
        end_time=_ns(call, call.duration_ms or 0.0),
    )
    for attempt in seen.settled.attempts:
        is_well = attempt.state in _SENT_WELL and (attempt.status or 0) < 400
        yield ReadableSpan(
            name=f"{operation_of(call.endpoint)} {attempt.model or ''}".strip(),
            context=_context(context.trace_id, trace_context.span_of(call.id, seen.arrived_s, attempt.number)),
            parent=own,
            resource=resource,
            instrumentation_scope=scope,
            attributes=attempt_attributes(call, attempt, is_well=is_well),
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.UNSET if is_well else StatusCode.ERROR, None if is_well else attempt.reason or None),
            start_time=_ns(call, attempt.started_ms),
            end_time=_ns(call, attempt.ended_ms or call.duration_ms or attempt.started_ms),
        )


def _call_attributes(seen: Seen) -> dict[str, Value]:
    call = seen.settled.call
    said: dict[str, Value | None] = {
        "http.request.method": seen.method,
        "http.route": call.endpoint,
        "http.response.status_code": call.status,
        "error.type": call.error_code,
        "gen_ai.operation.name": operation_of(call.endpoint),
        "gen_ai.request.model": call.model_asked,
        "gen_ai.response.model": call.model_served,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "doorward.request_id": call.id,
        "doorward.outcome": call.outcome,
        "doorward.attempts": call.attempts,
        "doorward.cache": call.cache,
        "doorward.cost_nanodollars": call.cost_nanos,
        "doorward.cost_source": call.source,
        "doorward.first_byte_ms": call.first_byte_ms,
    }
    return {name: value for name, value in said.items() if value is not None}


def attempt_attributes(call: CallRow, attempt: AttemptRow, *, is_well: bool) -> dict[str, Value]:
    said: dict[str, Value | None] = {
        "gen_ai.operation.name": operation_of(call.endpoint),
        "gen_ai.provider.name": attempt.provider_id,
        "gen_ai.request.model": attempt.model,
        "gen_ai.response.model": call.model_served if is_well else None,
        "gen_ai.usage.input_tokens": attempt.input_tokens or None,
        "gen_ai.usage.output_tokens": attempt.output_tokens or None,
        "http.response.status_code": attempt.status,
        "error.type": None if is_well else (str(attempt.status) if attempt.status else attempt.state),
        "doorward.attempt": attempt.number,
        "doorward.upstream_request_id": attempt.upstream_id,
        "doorward.cost_nanodollars": attempt.cost_nanos,
    }
    return {name: value for name, value in said.items() if value is not None}


def _context(trace_id: int, span_id: int | None, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id or 0, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _ns(call: CallRow, at_ms: float) -> int:
    return int((call.started_at + at_ms / 1000) * _NS)

"""A call's end, as the journal has it -> the book's rows. Pure; made in batches beside the path, never on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from doorward.core.usage import Source, Usage
from doorward.ledger.entry import Attempt
from doorward.ledger.names import MAX_REASON_CHARS, clean
from doorward.ledger.records import Ended
from doorward.providers.route import Route
from doorward.store.call_rows import AttemptRow, CallRow, Settled

MAX_FACTS_BYTES = 4096
MAX_PLANS = 8

_encode = msgspec.json.Encoder(enc_hook=str).encode


def rows_of(ended: Ended) -> Settled:
    """The call's terminal row and its attempts'."""
    opened, began_s = ended.opened, ended.started_s
    rows: list[AttemptRow] = []
    tokens_in = cached = tokens_out = reasoning = 0
    cost: int | None = 0
    source, reasons, version = "upstream", "", None
    for attempt in ended.attempts:
        billed = attempt.may_be_billed
        row = _attempt_row(opened.opening, attempt, began_s, billed)
        rows.append(row)
        if not billed:
            continue
        tokens_in += row.input_tokens
        cached += row.cached_tokens
        tokens_out += row.output_tokens
        reasoning += row.reasoning_tokens
        cost = None if cost is None or row.cost_nanos is None else cost + row.cost_nanos
        version = row.price_version or version
        if row.source != Source.UPSTREAM:
            # one attempt that was estimated makes the whole call's amount an estimate
            source = row.source if source != Source.ESTIMATED else source
            reasons = "; ".join(filter(None, dict.fromkeys((reasons, row.reason))))
    last = rows[-1] if rows else None
    call = CallRow(
        opening=opened.opening,
        id=opened.id,
        process=opened.process,
        owner=opened.owner,
        key_id=opened.key_id,
        key_label=opened.key_label,
        user_id=opened.user_id,
        endpoint=opened.endpoint,
        tags=_encode(opened.tags).decode() if opened.tags else "[]",
        streamed=opened.streamed,
        model_asked=ended.model_asked,
        model_served=ended.model_served,
        provider_id=(last.provider_id or None) if last is not None else None,
        account_id=last.account_id if last is not None else None,
        outcome=ended.outcome,
        status=ended.status,
        error_code=ended.error_code,
        cache=ended.cache,
        attempts=len(rows),
        input_tokens=tokens_in,
        cached_tokens=cached,
        output_tokens=tokens_out,
        reasoning_tokens=reasoning,
        cost_nanos=cost,
        held_nanos=ended.held,
        source=source,
        reason=reasons,
        price_version=version,
        started_at=opened.started_at,
        first_byte_ms=_ms(began_s, ended.first_byte_s),
        duration_ms=_ms(began_s, ended.ended_s),
        settled_at=ended.settled_at,
        facts=facts_json(_with_decision(ended)) if ended.facts else _decision_alone(ended.decided),
    )
    return Settled(call, rows)


def _attempt_row(opening: str, attempt: Attempt, began_s: float, billed: bool) -> AttemptRow:
    usage = attempt.usage or _NO_USAGE
    return AttemptRow(
        opening=opening,
        number=attempt.number,
        provider_id=attempt.provider_id,
        account_id=attempt.account_id,
        model=attempt.model,
        state=attempt.state.value,
        status=attempt.status,
        upstream_id=attempt.upstream_id,
        reason=attempt.reason,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        units=_other_units(usage),
        cost_nanos=attempt.cost if billed else 0,
        held_nanos=attempt.held,
        source=usage.source.value,
        price_version=attempt.price_version,
        started_ms=_ms(began_s, attempt.started_s) or 0.0,
        first_event_ms=_ms(began_s, attempt.first_event_s),
        ended_ms=_ms(began_s, attempt.ended_s),
    )


_IN_COLUMNS = {"input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "source"}
_OTHER_UNITS = tuple(name for name in Usage.__struct_fields__ if name not in _IN_COLUMNS)
_other_units_of = attrgetter(*_OTHER_UNITS)
_NO_USAGE = Usage()
_NO_OTHER_UNITS = _other_units_of(_NO_USAGE)


def _other_units(usage: Usage) -> str:
    values = _other_units_of(usage)
    if values == _NO_OTHER_UNITS:
        return "{}"
    return _encode({name: value for name, value in zip(_OTHER_UNITS, values, strict=True) if value}).decode()


def _ms(began_s: float, then_s: float | None) -> float | None:
    return None if then_s is None else int((then_s - began_s) * 1e6) / 1000  # whole microseconds


@lru_cache(maxsize=1024)  # one route serves many calls
def decided(route: Route) -> str:
    """What the router decided, as JSON."""
    accounts = {plan.account.id: plan.account.label for plan in route.plans[:MAX_PLANS] if plan.account is not None}
    made: dict[str, Any] = {"asked": clean(route.asked), "why": clean(route.why, MAX_REASON_CHARS)}
    made |= {"candidates": len(route.plans), "accounts": accounts}
    if route.rescue:
        made["rescue"] = True
    return _encode(made).decode()


def _with_decision(ended: Ended) -> list[Any]:
    """The facts, with the router's decision where it was made: after the limits."""
    facts = ended.facts
    if not ended.decided:
        return facts
    place = 0
    for index, (step, _) in enumerate(facts, 1):
        if step == "limits":
            place = index
    return [*facts[:place], ("route", msgspec.Raw(ended.decided)), *facts[place:]]


@lru_cache(maxsize=1024)  # most calls have nothing else to tell
def _decision_alone(said: str) -> str:
    return facts_json([("route", msgspec.Raw(said))] if said else [])


def facts_json(facts: Sequence[Any]) -> str:
    """At most 4 KiB: later steps are left out first, and their number is said."""
    if not facts:
        return "[]"
    encoded = _encode(facts)
    if len(encoded) > MAX_FACTS_BYTES:
        encoded = _encode(bounded(facts))
    # an escaped NUL is legal JSON, but PostgreSQL's JSON functions refuse it
    return encoded.decode().replace("\\u0000", "")


def bounded(facts: Sequence[Any]) -> Sequence[Any]:
    """As many of the first steps as 4 KiB of JSON take."""
    kept, steps = facts, len(facts)
    while len(_encode(kept)) > MAX_FACTS_BYTES and steps:
        steps //= 2
        kept = [*facts[:steps], ("left_out", {"steps": len(facts) - steps})]
    return kept

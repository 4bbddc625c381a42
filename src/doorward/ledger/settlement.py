"""An entry at its end -> the rows of the book. Pure: no clock of its own, no I/O.

What an attempt cost when nobody can say: a call that was sent and whose answer was lost is charged
what was held for it, tagged `estimated`, with the reason. Without a hold its input is estimated and
priced; without a price the amount is unknown, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from doorward.core.errors import DoorwardError
from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.route import Route
from doorward.store.call_rows import AttemptRow, CallRow, Settled
from doorward.wire.endpoints import Endpoint
from doorward.wire.scrub import scrub

MAX_FACTS_BYTES = 4096
MAX_REASON_CHARS = 200
MAX_NAME_CHARS = 128
MAX_PLANS = 8
BYTES_PER_TOKEN = 4
"""For estimating input that was not counted: English prose in OpenAI's encodings."""
LEFT_EARLY = "the client left before the answer began: its input is charged"
OUTCOME_UNKNOWN = "outcome unknown: the request was sent and its answer was lost"

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Priced(Protocol):
    """An amount, or `None` and why it is not known. `version` names the price list."""

    @property
    def nanos(self) -> int | None: ...
    @property
    def version(self) -> str: ...
    @property
    def why(self) -> str: ...


class Prices(Protocol):
    """Port to `providers.prices`."""

    def cost(self, provider_list: str, model: str, endpoint_kind: str, usage: Usage) -> Priced: ...


def price_list(entry: Entry, provider_id: str) -> str:
    """Whose prices apply at a provider of this call."""
    if entry.route is not None:
        for plan in entry.route.plans:
            if plan.provider.id == provider_id:
                return plan.provider.prices or provider_id
    return provider_id


def charge_unknown(entry: Entry, attempt: Attempt, endpoint: Endpoint | None, prices: Prices) -> None:
    """Set usage and cost of an attempt that nobody metered."""
    if endpoint is not None and endpoint.bills == "free":
        attempt.usage, attempt.cost = Usage(), Nanos(0)
        return
    if attempt.usage is None:
        attempt.usage = Usage(input_tokens=-(-entry.exchange.body.size // BYTES_PER_TOKEN), source=Source.ESTIMATED)
    attempt.usage.source = Source.ESTIMATED
    held = attempt.held if attempt.held is not None else _rest_of_hold(entry)
    # an answer that would have been streamed was stopped with nothing of it delivered; any other may have been made whole
    stopped = entry.exchange.gone.happened and entry.exchange.asks.stream
    attempt.reason = attempt.reason or (LEFT_EARLY if stopped else OUTCOME_UNKNOWN)
    if held is not None and not stopped:
        attempt.cost = held
        return
    kind = endpoint.kind if endpoint is not None else ""
    priced = prices.cost(price_list(entry, attempt.provider_id), attempt.model or "", kind, attempt.usage)
    attempt.price_version = priced.version
    attempt.cost = held if priced.nanos is None else Nanos(priced.nanos if held is None else min(priced.nanos, held))


def _rest_of_hold(entry: Entry) -> Nanos | None:
    """A hold that is not told apart by attempts covers the one whose cost is still open."""
    if entry.held is None:
        return None
    return Nanos(max(0, entry.held - sum(attempt.cost or 0 for attempt in entry.attempts)))


def outcome_of(entry: Entry, error: BaseException | None) -> str:
    if not entry.attempts and isinstance(error, DoorwardError):
        return "refused"
    if entry.exchange.gone.happened and (error is not None or _is_cut(entry)):
        return "gone"
    if error is not None and not isinstance(error, DoorwardError):
        return "cut"
    if error is not None and entry.first_byte_s is not None:
        return "cut"
    if error is not None or (entry.status or 200) >= 400:
        return "failed"
    return "cut" if _is_cut(entry) else "done"


def _is_cut(entry: Entry) -> bool:
    return bool(entry.attempts) and entry.attempts[-1].state not in (AttemptState.DONE, AttemptState.FAILED)


@dataclass(frozen=True, slots=True)
class Moment:
    """The end of a call on both clocks, in seconds."""

    monotonic: float
    wall: float


def settle(
    entry: Entry,
    process: str,
    endpoint: Endpoint | None,
    prices: Prices,
    error: BaseException | None,
    outcome: str,
    now: Moment,
) -> Settled:
    """The call's terminal row and its attempts'. Charges what was sent and not metered."""
    rows: list[AttemptRow] = []
    tokens_in = cached = tokens_out = reasoning = 0
    source, reasons, version = str(Source.UPSTREAM), "", None
    for attempt in entry.attempts:
        billed = attempt.may_be_billed
        if billed and not attempt.is_charged:
            charge_unknown(entry, attempt, endpoint, prices)
        row = _attempt_row(entry, attempt, billed)
        rows.append(row)
        if not billed:
            continue
        tokens_in += row.input_tokens
        cached += row.cached_tokens
        tokens_out += row.output_tokens
        reasoning += row.reasoning_tokens
        version = row.price_version or version
        if row.source != Source.UPSTREAM:
            # one attempt that was estimated makes the whole call's amount an estimate
            source = row.source if source != Source.ESTIMATED else source
            reasons = "; ".join(filter(None, dict.fromkeys((reasons, row.reason))))
    last = entry.attempts[-1] if entry.attempts else None
    caller, asks = entry.caller, entry.exchange.asks
    if isinstance(error, DoorwardError):
        entry.error_code = entry.error_code or error.code
    if entry.status is None:
        # once a byte has gone out its status has too, whatever went wrong later
        answered = last is not None and (entry.first_byte_s is not None or error is None)
        entry.status = last.status if last is not None and answered else getattr(error, "status", None)
    call = CallRow(
        opening=entry.opening,
        id=entry.id,
        process=process,
        owner=caller.owner,
        key_id=caller.key_id,
        key_label=caller.label,
        user_id=caller.user_id,
        endpoint=entry.endpoint,
        tags=tags_json(entry.tags),
        streamed=asks.stream,
        model_asked=clean(entry.route.asked if entry.route is not None else asks.model),
        model_served=clean(entry.model_served or (last.model if last is not None else None)),
        provider_id=last.provider_id if last is not None else None,
        account_id=last.account_id if last is not None else None,
        outcome=outcome,
        status=entry.status,
        error_code=entry.error_code,
        cache=entry.cache,
        attempts=len(rows),
        input_tokens=tokens_in,
        cached_tokens=cached,
        output_tokens=tokens_out,
        reasoning_tokens=reasoning,
        cost_nanos=entry.cost,
        held_nanos=entry.held,
        source=source,
        reason=reasons,
        price_version=version,
        started_at=entry.wall_s,
        first_byte_ms=_span_ms(entry, entry.first_byte_s),
        duration_ms=_span_ms(entry, now.monotonic),
        settled_at=now.wall,
        facts=facts_json(_with_route(entry)) if entry.facts or entry.route is None else _route_json(entry.route),
    )
    return Settled(call, rows)


def _with_route(entry: Entry) -> list[tuple[str, Any]]:
    """The facts, with the router's decision where it was made: after the limits."""
    route, facts = entry.route, entry.facts
    if route is None:
        return facts
    place = 0
    for index, (step, _) in enumerate(facts, 1):
        if step == "limits":
            place = index
    return [*facts[:place], ("route", _decided(route)), *facts[place:]]


@lru_cache(maxsize=1024)  # one route serves many calls
def _decided(route: Route) -> msgspec.Raw:
    """JSON of what the router decided."""
    accounts = {plan.account.id: plan.account.label for plan in route.plans[:MAX_PLANS] if plan.account is not None}
    decided: dict[str, Any] = {"asked": clean(route.asked), "why": clean(route.why, MAX_REASON_CHARS)}
    decided |= {"candidates": len(route.plans), "accounts": accounts}
    if route.rescue:
        decided["rescue"] = True
    return msgspec.Raw(_encode(decided))


@lru_cache(maxsize=1024)  # most calls have nothing else to tell
def _route_json(route: Route) -> str:
    return facts_json([("route", _decided(route))])


def _attempt_row(entry: Entry, attempt: Attempt, billed: bool) -> AttemptRow:
    usage = attempt.usage or _NO_USAGE
    return AttemptRow(
        opening=entry.opening,
        number=attempt.number,
        provider_id=attempt.provider_id,
        account_id=attempt.account_id,
        model=clean(attempt.model),
        state=str(attempt.state),
        status=attempt.status,
        upstream_id=clean(attempt.upstream_id),
        reason=clean(attempt.reason, MAX_REASON_CHARS) or "",
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        units=_other_units(usage),
        cost_nanos=attempt.cost if billed else 0,
        held_nanos=attempt.held,
        source=str(usage.source),
        price_version=attempt.price_version,
        started_ms=_span_ms(entry, attempt.started_s) or 0.0,
        first_event_ms=_span_ms(entry, attempt.first_event_s),
        ended_ms=_span_ms(entry, attempt.ended_s),
    )


_IN_COLUMNS = {"input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "source"}
_OTHER_UNITS = tuple(f.name for f in fields(Usage) if f.name not in _IN_COLUMNS)
_other_units_of = attrgetter(*_OTHER_UNITS)
_NO_USAGE = Usage()
_NO_OTHER_UNITS = _other_units_of(_NO_USAGE)


def _other_units(usage: Usage) -> str:
    values = _other_units_of(usage)
    if values == _NO_OTHER_UNITS:
        return "{}"
    return _encode({name: value for name, value in zip(_OTHER_UNITS, values, strict=True) if value}).decode()


def _span_ms(entry: Entry, then_s: float | None) -> float | None:
    return None if then_s is None else int((then_s - entry.started_s) * 1e6) / 1000  # whole microseconds


_LIKE_A_KEY = re.compile(r"[sp]k[-_]|dw-|sess-|hf_|xai-|AIza|eyJ")
"""Cheap, because every name of every call is looked at; `scrub` decides."""


@lru_cache(maxsize=4096)  # the same few names in call after call
def clean(text: str | None, longest: int = MAX_NAME_CHARS) -> str | None:
    """A name that a client or an upstream chose: bounded, without what a database refuses in a text, and no key by mistake."""
    if text is not None and _LIKE_A_KEY.search(text):
        text = scrub(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    if text is None or (len(text) <= longest and text.isprintable()):
        return text
    return "".join(character for character in text[:longest] if character.isprintable())


def tags_json(tags: tuple[str, ...]) -> str:
    return _encode([clean(tag) for tag in tags]).decode() if tags else "[]"


def facts_json(facts: Sequence[tuple[str, Any]]) -> str:
    """At most 4 KiB: later steps are left out first, and their number is said."""
    if not facts:
        return "[]"
    encoded = _encode(facts)
    kept = len(facts)
    while len(encoded) > MAX_FACTS_BYTES and kept:
        kept //= 2
        encoded = _encode([*facts[:kept], ("left_out", {"steps": len(facts) - kept})])
    # an escaped NUL is legal JSON, but PostgreSQL's JSON functions refuse it
    return encoded.decode().replace("\\u0000", "")

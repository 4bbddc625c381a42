"""An entry as the journal's records have it: its opening, and its end. No name leaves as a client or an upstream wrote it."""

from __future__ import annotations

from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError
from doorward.ledger.entry import Entry
from doorward.ledger.names import MAX_REASON_CHARS, clean, cleaned
from doorward.ledger.records import Ended, Held, Opened
from doorward.ledger.rows import decided
from doorward.ledger.settlement import status_of


def opened_of(entry: Entry, process: str, held: Held | None) -> Opened:
    caller, exchange = entry.caller, entry.exchange
    asks = exchange.asks
    return Opened(
        entry.opening,
        entry.id,
        process,
        caller.owner,
        caller.key_id,
        caller.label,
        caller.user_id,
        entry.endpoint,
        tuple(map(cleaned, entry.tags)) if entry.tags else (),
        asks.stream,
        clean(asks.model),
        entry.wall_s,
        exchange.body.size,
        held,
    )


def held_of(entry: Entry, nanos: int) -> Held:
    """Where the call goes first, if it is known by then: for whoever finds the record and not its end."""
    route = entry.route
    if route is None or not route.plans:
        return Held(entry.opening, nanos, None, None, None)
    plan = route.plans[0]
    return Held(entry.opening, nanos, plan.provider.id, plan.account.id if plan.account is not None else None, plan.model)


def ended_of(entry: Entry, opened: Opened, outcome: str, error: BaseException | None, clock: Clock) -> Ended:
    """What was sent and not metered is charged."""
    attempts = entry.attempts
    for attempt in attempts:
        if not entry.closed and entry.charge is not None and attempt.may_be_billed and not attempt.is_charged:
            entry.charge(entry, attempt)  # counting it has failed
        if attempt.model is not None:
            attempt.model = clean(attempt.model)
        if attempt.upstream_id is not None:
            attempt.upstream_id = cleaned(attempt.upstream_id)
        if attempt.reason:
            attempt.reason = cleaned(attempt.reason, MAX_REASON_CHARS)
    if isinstance(error, DoorwardError):
        entry.error_code = entry.error_code or error.code
    if entry.status is None:
        entry.status = status_of(entry, error)
    route = entry.route
    return Ended(
        opened,
        outcome,
        entry.status,
        entry.error_code,
        entry.cache,
        clean(route.asked) if route is not None else opened.model_asked,
        clean(entry.model_served or (attempts[-1].model if attempts else None)),
        entry.held,
        entry.started_s,
        entry.first_byte_s,
        clock.monotonic(),
        clock.wall(),
        decided(route) if route is not None else "",
        entry.facts,
        attempts,
    )

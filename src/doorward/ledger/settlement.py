"""How a call ended and what it is charged, before its rows are made. Pure: no clock of its own, no I/O.

What an attempt cost when nobody can say: a call that was sent and whose answer was lost is charged
what was held for it, tagged `estimated`, with the reason. Without a hold its input is estimated and
priced; without a price the amount is unknown, never 0.
"""

from __future__ import annotations

from typing import Protocol

from doorward.core.errors import DoorwardError
from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.wire.endpoints import Endpoint

BYTES_PER_TOKEN = 4
"""For estimating input that was not counted: English prose in OpenAI's encodings."""
LEFT_EARLY = "the client left before the answer began: its input is charged"
OUTCOME_UNKNOWN = "outcome unknown: the request was sent and its answer was lost"


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
    attempts = entry.attempts
    is_cut = bool(attempts) and attempts[-1].state is not AttemptState.DONE and attempts[-1].state is not AttemptState.FAILED
    if error is None:
        if is_cut:
            return "gone" if entry.exchange.gone.happened else "failed" if (entry.status or 200) >= 400 else "cut"
        return "failed" if (entry.status or 200) >= 400 else "done"
    if isinstance(error, DoorwardError):
        if not attempts:
            return "refused"
        ours = "cut" if entry.first_byte_s is not None else "failed"
    else:
        ours = "cut"
    return "gone" if entry.exchange.gone.happened else ours


def status_of(entry: Entry, error: BaseException | None) -> int | None:
    """What the client was told, where nobody wrote it down. Once a byte has gone out its status has too, whatever comes."""
    if entry.attempts and (entry.first_byte_s is not None or error is None):
        return entry.attempts[-1].status
    return getattr(error, "status", None)

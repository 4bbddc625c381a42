"""One call explained in ordered steps: who, limits, route, cache, holds, attempts, usage and its source, price (R39).

A step is `{"step", "says", "at_ms", "details"}`: `says` is a sentence for people, `details` what it was
made from. No content, no secret: nothing else is in the book.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from doorward.core.money import usd_text
from doorward.ledger.holds import Hold
from doorward.ledger.why_words import CACHE, said
from doorward.store.call_rows import AttemptRow, CallRow

Step = dict[str, Any]

SOURCES = {"upstream": "from the provider", "counted": "counted by us", "estimated": "estimated"}
_AFTERWARDS = frozenset({"price", "recovered"})
"""Steps that are noted before settling and belong after the attempts."""
_BEFORE_CACHE = frozenset({"limits", "adapter", "route"})
_REFUSED = "refused"
"""What the caller was told when a limit or a budget refused the call: the words of the last step."""
_STATES = {
    "planned": "not sent",
    "connecting": "no connection, nothing was sent",
    "sent": "sent, no answer seen",
    "headers": "answered, then nothing",
    "first_event": "broke off",
    "done": "finished",
    "ambiguous": "sent and lost, outcome unknown",
    "failed": "refused",
}


def explain(call: CallRow, attempts: Sequence[AttemptRow]) -> list[Step]:
    """In the order in which it happened: what was noted between two attempts stands between them."""
    facts = _facts(call.facts)
    told = next((details.get("says") for name, details in facts if name == _REFUSED), None)
    noted = [(name, _after(details), details) for name, details in facts if name != _REFUSED]
    before = [_noted(name, details) for name, after, details in noted if not after and name not in _AFTERWARDS]
    if call.cache != "off":
        place = 1 + max((index for index, step in enumerate(before) if step["step"] in _BEFORE_CACHE), default=-1)
        before.insert(place, _step("cache", CACHE.get(call.cache, f"Cache: {call.cache}"), cache=call.cache))
    if call.held_nanos is not None and not any(step["step"] == "hold" for step in before):
        before.append(_step("hold", f"Held ${usd_text(call.held_nanos)} until the call was settled", held_nanos=call.held_nanos))
    steps = [_who(call), *before]
    for attempt in attempts:
        steps.append(_attempt(attempt))
        steps += [_noted(name, d) for name, after, d in noted if after == attempt.number and name not in _AFTERWARDS]
    later = [(name, d) for name, after, d in noted if name in _AFTERWARDS or after > len(attempts)]
    return [*steps, *(_noted(name, details) for name, details in later), _settled(call, told)]


def _after(details: dict[str, Any]) -> int:
    """The attempts that had begun when a step was noted."""
    after = details.pop("after_attempt", 0)
    return after if isinstance(after, int) else 0


def _facts(text: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        found = msgspec.json.decode(text, type=list[tuple[str, dict[str, Any]]])
    except msgspec.MsgspecError:
        return []
    for name, details in found:
        if name == "hold" and isinstance(details.get("worst"), dict):
            _tell_hold(details)
    return found


def _tell_hold(details: dict[str, Any]) -> None:
    """A hold is noted in numbers on the way: here they are put in words, and each budget beside what was left of it."""
    hold = msgspec.convert(details.pop("worst"), Hold)
    of, free = details.pop("of", ()), details.pop("free", ())
    details |= {"nanos": hold.nanos, "how": hold.how}
    if of:
        details["budgets"] = [[*name, left] for name, left in zip(of, free, strict=False)]


def _step(name: str, says: str, at_ms: float | None = None, **details: Any) -> Step:
    return {"step": name, "says": says, "at_ms": at_ms, "details": details}


def _who(call: CallRow) -> Step:
    who = f'key "{call.key_label}"' if call.key_id else "signed in" if call.user_id else "anonymous"
    return _step("authenticated", f"Authenticated: {who}", 0.0, key_id=call.key_id, user_id=call.user_id, owner=call.owner)


def _noted(name: str, details: dict[str, Any]) -> Step:
    says = details.pop("says", None)
    at_ms = details.pop("at_ms", None)
    sentence = says if isinstance(says, str) else said(name, details)
    return {"step": name, "says": sentence, "at_ms": at_ms if isinstance(at_ms, (int, float)) else None, "details": details}


def _attempt(attempt: AttemptRow) -> Step:
    where = attempt.provider_id or "an upstream that is not known any more"
    model = f" as {attempt.model}" if attempt.model else ""
    ended = _STATES.get(attempt.state, attempt.state)
    status = f" {attempt.status}" if attempt.status is not None else ""
    first = f", first byte {attempt.first_event_ms - attempt.started_ms:.0f} ms" if attempt.first_event_ms is not None else ""
    billed = "" if attempt.cost_nanos != 0 or attempt.price_version == "free" else ", not billed"
    reason = f" ({attempt.reason})" if attempt.reason else ""
    details = {name: getattr(attempt, name) for name in AttemptRow.__struct_fields__ if name not in ("opening", "units")}
    details["units"] = msgspec.json.decode(attempt.units)
    return {
        "step": "attempt",
        "says": f"Attempt {attempt.number} at {where}{model}:{status} {ended}{first}{billed}{reason}",
        "at_ms": attempt.started_ms,
        "details": details,
    }


def _settled(call: CallRow, told: object = None) -> Step:
    if call.outcome == "refused":
        words = told if isinstance(told, str) else f"{call.error_code}."
        return _step("refused", f"Refused: {words} Nothing was sent, nothing was charged", call.duration_ms, told=told)
    tokens = f"in {call.input_tokens:,} ({call.cached_tokens:,} cached) · out {call.output_tokens:,}"
    if call.reasoning_tokens:
        tokens += f" ({call.reasoning_tokens:,} reasoning)"
    cost = "cost not known" if call.cost_nanos is None else f"${usd_text(call.cost_nanos)}"
    source = SOURCES.get(call.source, call.source)
    held = call.source == "estimated" and call.cost_nanos is not None and call.cost_nanos == call.held_nanos
    source = "held at worst case: outcome unknown" if held else source
    prices = f" · prices {call.price_version}" if call.price_version else ""
    why = f" · {call.reason}" if call.reason else ""
    return _step(
        "settled",
        f"Settled: {tokens} · {cost} · {source}{why}{prices}",
        call.duration_ms,
        outcome=call.outcome,
        source=call.source,
        reason=call.reason,
        cost_nanos=call.cost_nanos,
        price_version=call.price_version,
    )

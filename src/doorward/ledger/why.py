"""One call explained in ordered steps: who, limits, route, cache, holds, attempts, usage and its source, price (R39).

A step is `{"step", "says", "at_ms", "details"}`: `says` is a sentence for people, `details` what it was
made from. No content, no secret: nothing else is in the book.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from doorward.core.money import usd_text
from doorward.store.call_rows import AttemptRow, CallRow

Step = dict[str, Any]

SOURCES = {"upstream": "from the provider", "counted": "counted by us", "estimated": "estimated"}
_AFTERWARDS = frozenset({"price", "recovered"})
"""Steps that are noted before settling and belong after the attempts."""
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
    facts = _facts(call.facts)
    steps = [_who(call)]
    steps += [_noted(name, details) for name, details in facts if name not in _AFTERWARDS]
    if call.cache != "off":
        steps.append(_step("cache", f"Cache: {call.cache}", cache=call.cache))
    if call.held_nanos is not None and not any(name == "hold" for name, _ in facts):
        steps.append(_step("hold", f"Held ${usd_text(call.held_nanos)} until the call was settled", held_nanos=call.held_nanos))
    steps += [_attempt(attempt) for attempt in attempts]
    steps += [_noted(name, details) for name, details in facts if name in _AFTERWARDS]
    steps.append(_settled(call))
    return steps


def _facts(text: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        found = msgspec.json.decode(text, type=list[tuple[str, dict[str, Any]]])
    except msgspec.MsgspecError:
        return []
    return found


def _step(name: str, says: str, at_ms: float | None = None, **details: Any) -> Step:
    return {"step": name, "says": says, "at_ms": at_ms, "details": details}


def _who(call: CallRow) -> Step:
    who = f'key "{call.key_label}"' if call.key_id else "signed in" if call.user_id else "anonymous"
    return _step("authenticated", f"Authenticated: {who}", 0.0, key_id=call.key_id, user_id=call.user_id, owner=call.owner)


def _noted(name: str, details: dict[str, Any]) -> Step:
    said = details.pop("says", None)
    if name == "route" and details.get("why"):
        said = f"Route: {details['why']}"
    elif name == "hold" and isinstance(details.get("nanos"), int):
        said = f"Held ${usd_text(details['nanos'])}: {details.get('how', 'the worst case')}"
    if not isinstance(said, str):
        title = name.replace("_", " ").capitalize()
        said = f"{title}: {_listed(details)}" if details else title
    at_ms = details.pop("at_ms", None)
    return {"step": name, "says": said, "at_ms": at_ms if isinstance(at_ms, (int, float)) else None, "details": details}


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{name.replace('_', ' ')} {_listed(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_listed, value))
    return str(value)


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


def _settled(call: CallRow) -> Step:
    if call.outcome == "refused":
        return _step("refused", f"Refused: {call.error_code}. Nothing was sent, nothing was charged", call.duration_ms)
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

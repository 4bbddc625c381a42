"""What a call's noted steps are called when people read them: one sentence a step, made from its details.

A step that has no words here is shown by its name and details, so that a new one is never silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from doorward.core.money import usd_text

Details = Mapping[str, Any]

CACHE = {
    "hit": "Answered from the cache: nothing was sent, nothing was charged",
    "joined": "Joined an identical call that was running: one upstream call answered both, and this one costs nothing",
    "miss": "Not in the cache: sent upstream",
}
_LIMITS = {
    "rpm": "requests a minute",
    "rpd": "requests a day",
    "tpm": "tokens a minute",
    "tpd": "tokens a day",
    "seats": "calls at once",
}


def said(step: str, details: Details) -> str:
    words = _WORDS.get(step)
    sentence = words(details) if words is not None else None
    if sentence is not None:
        return sentence
    title = step.replace("_", " ").capitalize()
    return f"{title}: {_listed(details)}" if details else title


def _limits(details: Details) -> str | None:
    left = details.get("left")
    if not isinstance(left, Mapping) or not left:
        return None
    levels = [f"{_level(level)} {_LIMITS.get(name, name)}" for name, level in left.items()]
    return f"Within its limits; left: {', '.join(levels)}"


def _level(level: Any) -> str:
    return f"{level[0]:,} of {level[1]:,}" if isinstance(level, list) and len(level) == 2 else str(level)


def _route(details: Details) -> str | None:
    if not details.get("why"):
        return None
    rescue = ", with rescue" if details.get("rescue") else ""
    return f"Route: {details['why']}{rescue}"


def _hold(details: Details) -> str | None:
    nanos = details.get("nanos")
    if not isinstance(nanos, int):
        return None
    budgets = details.get("budgets")
    free = [words for budget in budgets if (words := _free(budget))] if isinstance(budgets, list) else []
    return f"Held ${usd_text(nanos)}: {'; '.join([str(details.get('how', 'the worst case')), *free])}"


def _free(budget: Any) -> str | None:
    """`[subject, period, cap, free]`, in nano-dollars; of a subject only its kind is said: `explain` is for the call's owner."""
    if not isinstance(budget, list) or len(budget) != 4 or not isinstance(budget[3], int):
        return None
    subject, _, cap, left = budget
    whose = "everything together" if subject == "all" else f"the {str(subject).partition(':')[0]}"
    return f"${usd_text(left)} of the ${usd_text(cap)} of {whose} free after it"


def _shared(details: Details) -> str | None:
    return {
        "idempotency-key": "Answered again from the call that used this Idempotency-Key first",
        "joining a call that runs": "The same call was running already: its answer was shared",
    }.get(str(details.get("by")))


def _wait(details: Details) -> str:
    return f"Waited {details.get('s')} s before asking {details.get('provider') or 'the upstream'} again"


def _rescue(details: Details) -> str:
    where = f" by {details['model']} at {details.get('provider')}" if details.get("model") else ""
    match details.get("by"):
        case "prefill":
            return f"The stream died and was continued{where}: it went on from the delivered text"
        case "replay":
            return f"The stream died and was continued{where}: the call was sent again and joined where the text had stopped"
        case _:
            return f"The stream died and could not be continued: {details.get('why', 'nothing fitted')}"


def _no_money(details: Details) -> str:
    return "No further attempt: the budgets do not cover one more that may be billed"


def _account_limit(details: Details) -> str:
    limit = _LIMITS.get(str(details.get("limit")), str(details.get("limit")))
    return f"Passed over an account at {details.get('provider')}: its own limit of {limit} is reached"


def _adapter(details: Details) -> str:
    api = f", metered as {details['api']}" if details.get("api") else ""
    return f"Through the adapter {details.get('name')}{api}"


def _price(details: Details) -> str | None:
    return f"Price not known: {details.get('why')}" if details.get("known") is False else None


def _recovered(details: Details) -> str | None:
    return "The process that served this call ended before it was settled: it was settled from its journal" if not details else None


def _left_out(details: Details) -> str:
    return f"{details.get('steps')} later steps are left out: there were too many"


_WORDS: dict[str, Callable[[Details], str | None]] = {
    "limits": _limits,
    "route": _route,
    "hold": _hold,
    "shared": _shared,
    "wait": _wait,
    "rescue": _rescue,
    "no_money": _no_money,
    "account_limit": _account_limit,
    "adapter": _adapter,
    "price": _price,
    "recovered": _recovered,
    "left_out": _left_out,
}


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return " · ".join(f"{name.replace('_', ' ')} {_listed(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_listed, value))
    return str(value)

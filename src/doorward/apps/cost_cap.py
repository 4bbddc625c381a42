"""The most that one request may cost, looked at before it begins and after each of its calls."""

from __future__ import annotations

from doorward.apps.ask import Ask
from doorward.core.errors import BadRequest
from doorward.core.money import usd_text

CODE = "cost_cap_exceeded"


def check_estimate(ask: Ask, model: str, input_tokens: int, output_tokens: int, cap_nanos: int | None) -> None:
    """Raises `BadRequest` before anything is spent. A price that is not known cannot be bounded, so it is refused too."""
    if cap_nanos is None:
        return
    price = ask.price(model, input_tokens, output_tokens)
    if price is None:
        raise BadRequest(f"The price of {model} is not known, and one request may cost ${usd_text(cap_nanos)} at most.", code=CODE)
    if price > cap_nanos:
        raise BadRequest(
            f"This would cost about ${usd_text(price)}; one request may cost ${usd_text(cap_nanos)} at most "
            "(DOORWARD_APP_COST_CAP_USD).",
            code=CODE,
        )


def is_spent(ask: Ask, cap_nanos: int | None) -> bool:
    """Whether the next call must not be made."""
    return cap_nanos is not None and (ask.spent.nanos is None or ask.spent.nanos >= cap_nanos)

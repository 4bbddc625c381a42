"""Money in integer nano-dollars (1 USD = 1,000,000,000), so that sums are exact.

A price that is not known is `None`, never 0. Rounding happens once, at the end of a call's
sum, half up (`nanos_of_usd`).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import NewType

Nanos = NewType("Nanos", int)

NANOS_PER_USD = 1_000_000_000


def nanos_of_usd(usd: Decimal | str | int) -> Nanos:
    """Dollars as a decimal number -> nano-dollars. Floats are refused by type on purpose."""
    return Nanos(int((Decimal(usd) * NANOS_PER_USD).to_integral_value(rounding=ROUND_HALF_UP)))


def usd_of_nanos(nanos: int) -> Decimal:
    """Nano-dollars -> dollars, exact."""
    return Decimal(nanos) / NANOS_PER_USD


def usd_text(nanos: int | None) -> str:
    """Nano-dollars -> `"0.0021"` (no exponent, no needless zeros); an unknown amount -> `"unknown"`."""
    if nanos is None:
        return "unknown"
    text = f"{usd_of_nanos(nanos):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""What a call is told that its budget does not allow: how much is left, and when that changes."""

from __future__ import annotations

from datetime import UTC, datetime

from doorward.core.errors import BudgetExceeded
from doorward.core.money import usd_text
from doorward.ledger.holds import Hold
from doorward.ledger.pot import Pot
from doorward.store.budgets import ALL
from doorward.store.leases import Refused
from doorward.store.periods import FOREVER_S, span


def exceeded(pot: Pot, hold: Hold, refused: Refused) -> BudgetExceeded:
    end = span(pot.period)[1]
    resets = f"It starts anew at {_moment(end)}." if end != FOREVER_S else "It never starts anew: ask for a higher one."
    used = f"{usd_text(refused.spent)} USD is spent and {usd_text(refused.leased)} USD held of {usd_text(pot.cap)} USD"
    need = f"this call may cost up to {usd_text(hold.nanos)} USD"
    smaller = " A lower output limit makes a call cheaper to hold." if refused.spent < pot.cap else ""
    return BudgetExceeded(f"The budget of {_spoken(pot.subject)} is used up: {used}, and {need}. {resets}{smaller}")


def _spoken(subject: str) -> str:
    if subject == ALL:
        return "everything together"
    kind, _, name = subject.partition(":")
    return f"{kind} {name}"


def _moment(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%d %H:%M UTC")

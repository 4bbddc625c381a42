"""What somebody should look at, the worst first: accounts that rest, budgets that end, prices and files that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from doorward.core.money import NANOS_PER_USD
from doorward.edge.control_plane.account_states import AccountStateOut, states
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.handed import Console
from doorward.edge.control_plane.parts import Parts
from doorward.ledger.overview import Figures
from doorward.ledger.treasury import BudgetState
from doorward.store.periods import FOREVER_S, span

MANY_ERRORS = 0.05
FEW_CALLS = 20
"""Below so many calls a share says nothing."""
NEARLY_USED = 0.8
SOON_S = 7 * 86400.0


class AttentionOut(Answer):
    kind: Literal["account", "budget", "adapters", "errors", "prices", "key"]
    subject: str = Field(description="Id of the account, budget or key; empty where the kind says it all.")
    level: Literal["bad", "warn"]
    says: str


async def attention(parts: Parts, console: Console, figures: Figures) -> list[AttentionOut]:
    now_s = parts.clock.wall()
    found = [_account(state) for state in await states(parts, console) if state.state in ("resting", "refused")]
    if console.adapters.problems:
        found.append(_adapters(len(console.adapters.problems), str(console.adapters.problems[0])))
    if parts.money is not None:
        found += [item for state in await parts.money.treasury.all() if (item := _budget(state, now_s)) is not None]
    if figures.calls >= FEW_CALLS and figures.failed_calls / figures.calls >= MANY_ERRORS:
        share = 100 * figures.failed_calls / figures.calls
        found.append(AttentionOut(kind="errors", subject="", level="bad", says=f"{share:.1f} % of calls failed in this period"))
    if figures.unknown_cost_calls:
        calls = _calls(figures.unknown_cost_calls)
        says = f"The price of {calls} is not known and not in the spend"
        found.append(AttentionOut(kind="prices", subject="", level="warn", says=says))
    for row in await parts.client_keys.list():
        if row.expires_at is not None and row.is_valid(now_s) and row.expires_at - now_s < SOON_S and row.rotated_from is None:
            says = f'Key "{row.label}" expires on {_day(row.expires_at)}'
            found.append(AttentionOut(kind="key", subject=row.public_id, level="warn", says=says))
    return sorted(found, key=lambda item: item.level != "bad")


def _account(state: AccountStateOut) -> AttentionOut:
    if state.state == "refused":
        says = f"Account {state.label} is not used: {state.why}"
        return AttentionOut(kind="account", subject=state.id, level="bad", says=says)
    rests = "" if state.for_s is None else f" {state.for_s:.0f} s"
    return AttentionOut(kind="account", subject=state.id, level="warn", says=f"Account {state.label} rests{rests}: {state.why}")


def _adapters(count: int, first: str) -> AttentionOut:
    more = "" if count == 1 else f" (and {count - 1} more)"
    return AttentionOut(kind="adapters", subject="", level="bad", says=f"The adapters' file is not in force: {first}{more}")


def _budget(state: BudgetState, now_s: float) -> AttentionOut | None:
    used = f"{_usd(state.spent)} of {_usd(state.cap)}"
    name = f'Budget "{state.label}"'
    if state.spent >= state.cap:
        again = "" if state.resets_at is None else f"; it resets on {_day(state.resets_at)}"
        return AttentionOut(kind="budget", subject=state.subject, level="bad", says=f"{name} is used up ({used}){again}")
    ends = _ends_at(state, now_s)
    if ends is not None:
        says = f"{name} ends on {_day(ends)} at this pace ({used})"
        return AttentionOut(kind="budget", subject=state.subject, level="warn", says=says)
    if state.spent >= NEARLY_USED * state.cap:
        return AttentionOut(kind="budget", subject=state.subject, level="warn", says=f"{name} is nearly used up ({used})")
    return None


def _ends_at(state: BudgetState, now_s: float) -> float | None:
    """When spending meets the cap if it goes on as before; `None`: not within this period."""
    start, end = span(state.period_name)
    if state.forecast is None or state.forecast <= state.cap or end == FOREVER_S or state.spent <= 0:
        return None
    return start + (now_s - start) * state.cap / state.spent


def _usd(nanos: int) -> str:
    return f"${nanos / NANOS_PER_USD:,.2f}"


def _day(unix_s: float) -> str:
    moment = datetime.fromtimestamp(unix_s, UTC)
    return f"{moment.day} {moment:%b}"


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"

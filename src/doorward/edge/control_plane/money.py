"""What endpoints about money ask for by type, and how money is written: dollars as decimal text, exact."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends
from pydantic import Field

from doorward.core.errors import NotFound
from doorward.core.money import usd_text
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.handed import Money
from doorward.ledger.treasury import BudgetState


async def _money(parts: HasParts) -> Money:
    if parts.money is None:
        raise NotFound("This Doorward keeps no budgets.")
    return parts.money


HasMoney = Annotated[Money, Depends(_money)]


class BudgetOut(Answer):
    subject: str = Field(description="all, user:ID or key:ID.")
    label: str
    cap_usd: str
    period: Literal["day", "month", "ever"]
    period_name: str = Field(description="The current one, in UTC: 2026-11-20, 2026-11 or ever.")
    spent_usd: str
    held_usd: str = Field(description="Reserved for open calls, or lent to a process for the next ones.")
    left_usd: str
    resets_at: float | None = Field(description="Unix seconds; null: never.")
    forecast_usd: str | None = Field(description="Spending at the period's end if it goes on as before; null: not known.")


def shown(state: BudgetState) -> BudgetOut:
    return BudgetOut(
        subject=state.subject,
        label=state.label,
        cap_usd=usd_text(state.cap),
        period=state.period,
        period_name=state.period_name,
        spent_usd=usd_text(state.spent),
        held_usd=usd_text(state.held),
        left_usd=usd_text(state.left),
        resets_at=state.resets_at,
        forecast_usd=None if state.forecast is None else usd_text(state.forecast),
    )

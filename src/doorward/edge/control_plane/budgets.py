"""`/api/v1/budgets`: who may spend how much (R33). `/api/v1/me/budget` is for whoever asks, about themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import Path
from pydantic import Field

from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Deleted
from doorward.edge.control_plane.money import BudgetOut, HasMoney, shown

routes = router("budgets")

Subject = Annotated[str, Path(min_length=1, max_length=200, description="all, user:EMAIL, user:ID or key:ID.")]


class BudgetList(Answer):
    data: list[BudgetOut]


class BudgetIn(Body):
    cap_usd: Decimal = Field(description="Dollars a period, 0 or more.", max_digits=18, decimal_places=9)
    period: str = Field(description="day, month or ever.", max_length=16)


@routes.get("/api/v1/budgets")
@declared(auth="either", scope="admin")
async def list_budgets(money: HasMoney) -> BudgetList:
    """Every budget, with what is spent and held of it."""
    return BudgetList(data=[shown(state) for state in await money.treasury.all()])


@routes.get("/api/v1/me/budget")
@declared(auth="either")
async def my_budgets(money: HasMoney, caller: Calling) -> BudgetList:
    """The budgets that the caller's own calls count against; none: nothing bounds them."""
    return BudgetList(data=[shown(state) for state in await money.treasury.states(money.budgets.caps_of(caller))])


@routes.put("/api/v1/budgets/{subject}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def set_budget(parts: HasParts, money: HasMoney, subject: Subject, wish: BudgetIn) -> BudgetOut:
    """Set a budget, or change it. What is spent already counts."""
    state = await money.treasury.set_budget(subject, wish.cap_usd, wish.period)
    await money.budgets.refresh()
    if state.subject.startswith("key:"):
        parts.credentials.forget(state.subject[4:])
        parts.credentials.forget(subject[4:])
    return shown(state)


@routes.delete("/api/v1/budgets/{subject}")
@declared(auth="either", scope="admin")
async def remove_budget(parts: HasParts, money: HasMoney, subject: Subject) -> Deleted:
    """Lift a budget."""
    resolved = await money.treasury.remove_budget(subject)
    await money.budgets.refresh()
    if resolved.startswith("key:"):
        parts.credentials.forget(resolved[4:])
        parts.credentials.forget(subject[4:])
    return Deleted(id=resolved)

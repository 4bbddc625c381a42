"""Bounds of calls as they go in and come out: a client key's own, which may be money, too; a user's and an account's."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from doorward.core.caller import KeyLimits
from doorward.core.money import nanos_of_usd, usd_text
from doorward.edge.control_plane.fields import Answer, Body

Count = Annotated[int, Field(ge=1, le=10**12)]
AdapterNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=100)]
Dollars = Annotated[Decimal, Field(ge=0, le=10**7, decimal_places=9)]


class CallLimitsIn(Body):
    """Left out: no bound."""

    rpm: Count | None = Field(None, description="Requests a minute.")
    rpd: Count | None = Field(None, description="Requests a day.")
    tpm: Count | None = Field(None, description="Tokens a minute.")
    tpd: Count | None = Field(None, description="Tokens a day.")
    concurrency: Count | None = Field(None, description="Calls at once.")


class LimitsIn(CallLimitsIn):
    """Left out: no bound of the key's own."""

    budget_usd: Dollars | None = Field(None, description="Dollars a period.")
    budget_period: Literal["day", "month", "ever"] = "month"


class LimitsOut(Answer):
    """null: no bound of the key's own."""

    rpm: int | None
    rpd: int | None
    tpm: int | None
    tpd: int | None
    concurrency: int | None
    budget_usd: str | None
    budget_period: Literal["day", "month", "ever"] | None


def taken(wish: LimitsIn) -> KeyLimits:
    budget = None if wish.budget_usd is None else nanos_of_usd(wish.budget_usd)
    return KeyLimits(
        rpm=wish.rpm,
        rpd=wish.rpd,
        tpm=wish.tpm,
        tpd=wish.tpd,
        concurrency=wish.concurrency,
        budget_nanos=budget,
        budget_period=None if budget is None else wish.budget_period,
    )


def shown(bounds: KeyLimits) -> LimitsOut:
    return LimitsOut(
        rpm=bounds.rpm,
        rpd=bounds.rpd,
        tpm=bounds.tpm,
        tpd=bounds.tpd,
        concurrency=bounds.concurrency,
        budget_usd=None if bounds.budget_nanos is None else usd_text(bounds.budget_nanos),
        budget_period=bounds.budget_period,
    )

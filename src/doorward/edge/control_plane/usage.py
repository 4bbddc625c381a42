"""`/api/v1/usage`: what was spent, on what, by whom; also when a budget is used up."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from doorward.edge.control_plane.accounting import HasAccounting, whose
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer
from doorward.ledger.reports import By, as_csv, as_data, period

routes = router("usage")


class UsageRowOut(Answer):
    key_id: str | None = Field(None, description="Of a report by key.")
    label: str | None = None
    user: str | None = None
    model: str | None = None
    tag: str | None = None
    day: str | None = None
    provider: str | None = None
    endpoint: str | None = None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unknown_cost_calls: int = Field(description="Calls whose price is not known; they are not in the cost.")
    cost_nanos: int = Field(description="The cost in nano-dollars, exact.")
    cached_tokens: int
    reasoning_tokens: int
    failed_calls: int
    cached_calls: int
    estimated_calls: int = Field(description="Calls whose usage we counted or estimated, because the provider did not say it.")


class UsageOut(Answer):
    by: By
    from_s: float
    to_s: float
    tz: str
    rows: list[UsageRowOut]


@routes.get("/api/v1/usage", response_model=UsageOut, response_model_exclude_unset=True)
@declared(auth="either", scope="call")
async def usage(
    parts: HasParts,
    accounting: HasAccounting,
    caller: Calling,
    by: By = "key",
    since: Annotated[str | None, Query(alias="from", max_length=32, description="First day, or unix seconds.")] = None,
    until: Annotated[str | None, Query(alias="to", max_length=32, description="Last day, or unix seconds.")] = None,
    tz: Annotated[str, Query(max_length=64, description="Zone of the days.")] = "UTC",
    key_id: Annotated[str | None, Query(max_length=64)] = None,
    mine: bool = False,
    form: Annotated[str, Query(alias="format", pattern="^(json|csv)$")] = "json",
) -> Response | UsageOut:
    """Usage, by key, user, model, tag, day, provider or endpoint. The last 30 days if no period is named."""
    over = period(since, until, tz, parts.clock.wall())
    rows = await accounting.reports.usage(by, over, owner=whose(caller, mine), key_id=key_id)
    if form == "csv":
        return PlainTextResponse(as_csv(rows, by), media_type="text/csv; charset=utf-8")
    out = [UsageRowOut.model_validate(as_data(row, by)) for row in rows]
    return UsageOut(by=by, from_s=over.from_s, to_s=over.to_s, tz=tz, rows=out)

"""`/api/v1/overview`: figures of a period, series in steps of 15 minutes and more, what needs attention; and sums as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from doorward.core.caller import Caller
from doorward.core.errors import DoorwardError, Unavailable
from doorward.edge.control_plane.attention import AttentionOut, attention
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.console import HasConsole
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.handed import Console
from doorward.edge.control_plane.parts import Parts
from doorward.ledger import overview as reports
from doorward.ledger.reports import period

routes = router("overview")

LIVE_EVERY_S = 1.0
DAY_S = 86400

KeyId = Annotated[str, Query(max_length=64, description="Only this key's calls.")]
Model = Annotated[str, Query(max_length=200, description="Only calls that this model served.")]


class FiguresOut(Answer):
    calls: int
    failed_calls: int
    refused_calls: int = Field(description="Not sent, by a limit or budget of ours; they are not among the calls.")
    cached_calls: int
    unknown_cost_calls: int
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    saved_nanos: int | None = Field(description="By the cache, at each model's mean of the period; null: not known.")
    first_byte_p50_ms: float | None
    first_byte_p95_ms: float | None


class SeriesOut(Answer):
    name: str
    values: list[int]


class RankedOut(Answer):
    id: str = Field(description="Empty: calls without one.")
    name: str
    calls: int
    unknown_cost_calls: int
    cost_nanos: int


class RunningOut(Answer):
    bucket: int = Field(description="Unix seconds: the quarter of an hour that these are sums of.")
    calls: int
    failed_calls: int
    cached_calls: int
    unknown_cost_calls: int
    input_tokens: int
    output_tokens: int
    cost_nanos: int


class OverviewOut(Answer):
    from_s: float
    to_s: float
    tz: str
    starts: list[int] = Field(description="Unix seconds: the first of each step. Every series has one value for each.")
    now: FiguresOut
    before: FiguresOut = Field(description="The same length of time just before.")
    spend: list[SeriesOut] = Field(description="Nano-dollars by model: the five dearest, and Other.")
    calls: list[int]
    first_byte_p50_ms: list[float | None]
    first_byte_p95_ms: list[float | None]
    errors: list[SeriesOut] = Field(description="Calls by error code: failed ones and refused ones.")
    top_keys: list[RankedOut]
    top_users: list[RankedOut]
    models: list[str]
    attention: list[AttentionOut]
    running: RunningOut = Field(description="The quarter of an hour under way, as `now` has it: what live sums grow from.")
    last_problem_at: int | None = Field(description="Unix seconds of the newest quarter of an hour with a failed call, of 30 days.")
    has_calls: bool


@routes.get("/api/v1/overview")
@declared(auth="either", scope="admin")
async def overview(
    parts: HasParts,
    console: HasConsole,
    since: Annotated[str | None, Query(alias="from", max_length=32, description="First day, or unix seconds.")] = None,
    until: Annotated[str | None, Query(alias="to", max_length=32, description="Last day, or unix seconds.")] = None,
    tz: Annotated[str, Query(max_length=64, description="Zone of the days.")] = "UTC",
    key_id: KeyId = "",
    model: Model = "",
) -> OverviewOut:
    """The last 24 hours if no period is named."""
    now_s = parts.clock.wall()
    over = period(since if since or until else str(now_s - DAY_S), until, tz, now_s)
    found = await console.overviews.of(over, key_id, model)
    bucket, sums = await console.overviews.running(now_s, key_id, model)
    return OverviewOut(
        from_s=over.from_s,
        to_s=over.to_s,
        tz=tz,
        starts=found.starts,
        now=_figures(found.now),
        before=_figures(found.before),
        spend=_series(found.spend),
        calls=found.calls,
        first_byte_p50_ms=found.first_byte_p50_ms,
        first_byte_p95_ms=found.first_byte_p95_ms,
        errors=_series(found.errors),
        top_keys=_ranked(found.top_keys),
        top_users=_ranked(found.top_users),
        models=found.models,
        attention=await attention(parts, console, found.now),
        running=RunningOut(bucket=bucket, **sums),
        last_problem_at=found.last_problem_at,
        has_calls=found.has_calls,
    )


@routes.get("/api/v1/overview/live", response_model=RunningOut)
@declared(auth="either", scope="admin")
async def live(parts: HasParts, console: HasConsole, caller: Calling, key_id: KeyId = "", model: Model = "") -> StreamingResponse:
    """`text/event-stream`: once a second the sums of the quarter of an hour under way, where they have changed."""
    if console.watchers.locked():
        raise Unavailable("Too many pages watch the overview live. Close some of them.")
    return StreamingResponse(_sums(parts, console, caller, key_id, model), media_type="text/event-stream")


async def _sums(parts: Parts, console: Console, caller: Caller, key_id: str, model: str) -> AsyncIterator[bytes]:
    told = b""
    async with console.watchers:
        while not console.is_draining() and await _may_go_on(parts, caller):
            bucket, sums = await console.overviews.running(parts.clock.wall(), key_id, model)
            data = msgspec.json.encode({"bucket": bucket, **sums})
            # a comment keeps the connection known to be alive, and finds out that nobody reads any more
            yield b": nothing new\n\n" if data == told else b"data: " + data + b"\n\n"
            told = data
            await asyncio.sleep(LIVE_EVERY_S)


async def _may_go_on(parts: Parts, caller: Caller) -> bool:
    try:
        return await parts.credentials.still_valid(caller)
    except DoorwardError:
        return False


def _figures(figures: reports.Figures) -> FiguresOut:
    return FiguresOut(**{name: getattr(figures, name) for name in FiguresOut.model_fields})


def _series(series: list[reports.Series]) -> list[SeriesOut]:
    return [SeriesOut(name=one.name, values=one.values) for one in series]


def _ranked(rows: list[reports.Ranked]) -> list[RankedOut]:
    return [RankedOut(**{name: getattr(row, name) for name in RankedOut.model_fields}) for row in rows]

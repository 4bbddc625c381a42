"""`/summarize` (R43)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import EVENTS, LONG_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Model
from doorward.apps.routes.progress import Tell, told, wants_events
from doorward.apps.routes.streamed import Streamed

routes = AppRoutes("summarize")


class TextIn(Body):
    text: str = Field(description="What to summarize.")
    model: Model | None = None


class SummaryOut(Answer):
    summary: str
    truncated: bool = Field(description="Only the beginning was read: ask with ?mode=full for everything.")
    input_tokens: int = Field(description="Of the whole text.")
    chunks: int = Field(description="Slices that were read.")
    cached: bool


@routes.on("POST", "/summarize", body_cap_bytes=LONG_BYTES, metered=True, rooted=True, shows=SummaryOut, also=EVENTS)
async def summarize(
    request: Request,
    response: Response,
    asking: HasAsking,
    body: TextIn,
    mode: Annotated[Literal["cut", "full"], Query(description="`full`: read everything.")] = "cut",
    fresh: Annotated[bool, Query(description="`1`: not from the cache.")] = False,
) -> Any:
    """At most 200 tokens about a text. Kept for 24 hours. With `Accept: text/event-stream` it tells how far it is."""

    async def work(tell: Tell | None = None) -> BaseModel:
        made = await asking.apps.summarizer.summarize(
            asking.ask, asking.owner, body.text, mode=mode, model=body.model, fresh=fresh, progress=tell
        )
        return SummaryOut(
            summary=made.summary,
            truncated=made.truncated,
            input_tokens=made.input_tokens,
            chunks=made.chunks,
            cached=made.cached,
        )

    if wants_events(request):
        return await Streamed.begin(told(work))
    answer = await work()
    assert isinstance(answer, SummaryOut)
    response.headers["x-doorward-cache"] = "hit" if answer.cached else "miss"
    return answer

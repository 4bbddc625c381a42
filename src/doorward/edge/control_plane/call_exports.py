"""`/api/v1/calls/export`: the calls of a filter as a file, CSV or JSON lines, read and sent a page at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import Query
from fastapi.responses import StreamingResponse

from doorward.edge.control_plane.accounting import HasAccounting
from doorward.edge.control_plane.calls import CallOut, Wanted, shown
from doorward.edge.control_plane.declare import declared, router
from doorward.ledger.reports import harmless
from doorward.store.call_rows import CallRow
from doorward.store.calls import Calls, Filter

routes = router("calls")

PAGE = 1000
MOST_ROWS = 100_000
COLUMNS = tuple(CallOut.model_fields)


@routes.get("/api/v1/calls/export", response_class=StreamingResponse)
@declared(auth="either", scope="call")
async def export_calls(
    accounting: HasAccounting,
    wanted: Wanted,
    form: Annotated[str, Query(alias="format", pattern="^(json|csv)$")] = "csv",
) -> StreamingResponse:
    """The newest 100,000 calls of the filter: CSV with a header line, or a JSON object a line."""
    kind, name = ("text/csv; charset=utf-8", "calls.csv") if form == "csv" else ("application/x-ndjson", "calls.jsonl")
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_pages(accounting.calls, wanted, form), media_type=kind, headers=headers)


async def _pages(calls: Calls, wanted: Filter, form: str) -> AsyncIterator[bytes]:
    if form == "csv":
        yield (",".join(COLUMNS) + "\n").encode()
    after: tuple[float, str] | None = None
    for _ in range(MOST_ROWS // PAGE):
        rows = await calls.page(wanted, PAGE, after)
        if rows:
            yield _csv(rows) if form == "csv" else b"".join(msgspec.json.encode(shown(row)) + b"\n" for row in rows)
            after = (rows[-1].started_at, rows[-1].id)
        if len(rows) < PAGE:
            return


def _csv(rows: list[CallRow]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        data = shown(row)
        writer.writerow([harmless(_flat(data[column])) for column in COLUMNS])
    return text.getvalue().encode()


def _flat(value: Any) -> Any:
    return ";".join(value) if isinstance(value, list) else value

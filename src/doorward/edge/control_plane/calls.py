"""`/api/v1/calls`: one row a call, newest first, and why each went as it did. Callers see their own, admins everybody's."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query
from pydantic import Field

from doorward.core.caller import Caller
from doorward.core.errors import BadRequest, NotFound
from doorward.core.money import NANOS_PER_USD
from doorward.edge.control_plane.accounting import HasAccounting, whose
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.desk import FromAddr, desk_of
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.parts import Parts
from doorward.ledger.why import explain
from doorward.store import lists
from doorward.store.call_rows import CallRow
from doorward.store.calls import Filter

routes = router("calls")

Word = Annotated[str | None, Query(max_length=128)]
Seconds = Annotated[float | None, Query(ge=0, lt=1e11, description="Unix seconds.")]


class CallOut(Answer):
    id: str = Field(description="The call's x-request-id.")
    started_at: float
    key_id: str | None
    key_label: str
    user_id: str | None
    endpoint: str
    tags: list[str]
    streamed: bool
    model_asked: str | None
    model_served: str | None
    provider_id: str | None
    outcome: str = Field(description="done, gone (the client left), cut, failed, refused or crashed (Doorward's process died).")
    status: int | None
    error_code: str | None
    cache: str
    attempts: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: float | None = Field(description="null: the price is not known.")
    cost_nanos: int | None
    source: str = Field(description="upstream, counted or estimated.")
    reason: str = Field(description="Why an amount is not the provider's own.")
    price_version: str | None
    first_byte_ms: float | None
    duration_ms: float | None


class CallList(Answer):
    data: list[CallOut]
    has_more: bool
    after: str | None = Field(description="Pass it as `after` for the next page.")
    before: str | None = Field(description="Pass it as `before` for the page before; null: this is the newest.")


class StepOut(Answer):
    step: str
    says: str
    at_ms: float | None
    details: dict[str, Any]


class ContentOut(Answer):
    request: str
    answer: str = Field(description="The body; of a stream, the text of its events.")
    cut: bool = Field(description="Request or answer had more than the 256 KiB that are kept.")
    expires_at: float


class CallWhy(CallOut):
    held_nanos: int | None
    steps: list[StepOut]
    content: ContentOut | None = Field(description="Only with `content=1`, and where the key keeps what its calls say.")


class RefusalOut(Answer):
    minute: int = Field(description="Unix minutes.")
    key_id: str | None
    user_id: str | None
    endpoint: str
    code: str
    count: int


class RefusalList(Answer):
    data: list[RefusalOut]


async def _wanted(
    caller: Calling,
    key_id: Word = None,
    user_id: Word = None,
    model: Word = None,
    provider_id: Word = None,
    account_id: Word = None,
    endpoint: Word = None,
    tag: Word = None,
    outcome: Word = None,
    source: Word = None,
    error_code: Word = None,
    status: Annotated[int | None, Query(ge=100, le=599)] = None,
    from_s: Seconds = None,
    to_s: Seconds = None,
    mine: bool = False,
) -> Filter:
    return Filter(
        owner=whose(caller, mine),
        key_id=key_id,
        user_id=user_id,
        model=model,
        provider_id=provider_id,
        account_id=account_id,
        endpoint=endpoint,
        tag=tag,
        outcome=outcome,
        source=source,
        error_code=error_code,
        status=status,
        from_s=from_s,
        to_s=to_s,
    )


Wanted = Annotated[Filter, Depends(_wanted)]
"""Which calls, of those that the caller may see."""


@routes.get("/api/v1/calls")
@declared(auth="either", scope="call")
async def list_calls(
    accounting: HasAccounting,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(max_length=400, description="`after` of a page: what is older.")] = None,
    before: Annotated[str | None, Query(max_length=400, description="`before` of a page: what is newer.")] = None,
) -> CallList:
    """Calls, the newest first, a page at a time."""
    if before is not None:
        newer = await accounting.calls.newer(wanted, limit + 1, _place(before))
        more, rows = len(newer) > limit, list(reversed(newer[:limit]))
        return _page(rows, older=True, newer=more)
    found = await accounting.calls.page(wanted, limit + 1, None if after is None else _place(after))
    return _page(found[:limit], older=len(found) > limit, newer=after is not None)


def _page(rows: list[CallRow], *, older: bool, newer: bool) -> CallList:
    return CallList(
        data=[CallOut(**shown(row)) for row in rows],
        has_more=older,
        after=_mark(rows[-1]) if rows and older else None,
        before=_mark(rows[0]) if rows and newer else None,
    )


@routes.get("/api/v1/calls/{call_id}")
@declared(auth="either", scope="call")
async def explain_call(
    parts: HasParts,
    accounting: HasAccounting,
    caller: Calling,
    call_id: str,
    from_addr: FromAddr,
    content: Annotated[bool, Query(description="Show what was said too. An admin's look is audited.")] = False,
) -> CallWhy:
    """One call: every decision about it, in order."""
    found = await accounting.calls.one(call_id, whose(caller, mine=False))
    if found is None:
        raise NotFound("There is no such call.")
    call, attempts = found
    steps = [StepOut(**step) for step in explain(call, attempts)]
    said = await _said(parts, caller, call, from_addr) if content else None
    return CallWhy(**shown(call), held_nanos=call.held_nanos, steps=steps, content=said)


async def _said(parts: Parts, caller: Caller, call: CallRow, from_addr: str) -> ContentOut | None:
    """An admin's look stands in the audit chain before anything is shown; without a chain there is none."""
    if caller.is_admin:
        desk = await desk_of(parts)
        await desk.audit.append(caller, "call.content.read", call.owner, from_addr=from_addr, details={"call": call.id})
    found = await parts.content_of(call.opening) if parts.content_of is not None else None
    return None if found is None else ContentOut(**asdict(found))


@routes.get("/api/v1/refusals")
@declared(auth="either", scope="call")
async def list_refusals(
    accounting: HasAccounting,
    caller: Calling,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    key_id: Word = None,
    from_s: Seconds = None,
    to_s: Seconds = None,
    mine: bool = False,
) -> RefusalList:
    """How often calls were refused, by key, reason and minute. Refused calls cost nothing."""
    found = await accounting.calls.refused(Filter(owner=whose(caller, mine), key_id=key_id, from_s=from_s, to_s=to_s), limit)
    return RefusalList(
        data=[
            RefusalOut(
                minute=r.minute, key_id=r.key_id or None, user_id=r.user_id or None, endpoint=r.endpoint, code=r.code, count=count
            )
            for r, count in found
        ]
    )


def shown(row: CallRow) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in CallOut.model_fields if hasattr(row, name)}
    shown["tags"] = list(lists.read(row.tags))
    shown["cost_usd"] = None if row.cost_nanos is None else row.cost_nanos / NANOS_PER_USD
    return shown


def _mark(row: CallRow) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((row.started_at, row.id))).decode().rstrip("=")


def _place(mark: str) -> tuple[float, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)), type=tuple[float, str])
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise BadRequest("`after` is not a mark that a page gave. Start again without it.", param="after") from None

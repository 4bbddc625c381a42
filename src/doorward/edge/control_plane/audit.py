"""`/api/v1/audit`: who did what, for admins."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.desk import HasDesk
from doorward.edge.control_plane.fields import Answer

routes = router("audit")


class AuditRowOut(Answer):
    number: int
    at: float = Field(description="Unix seconds.")
    actor: str = Field(description="An e-mail, a pseudonym of somebody erased, key:<id>, operator or anonymous.")
    action: str
    target: str
    details: dict[str, Any]
    from_addr: str | None
    hash: str


class AuditPage(Answer):
    data: list[AuditRowOut]
    next: int | None = Field(description="Pass it as `before` for older rows; null: there are none.")


class VerdictOut(Answer):
    ok: bool
    rows: int
    head: str = Field(description="The last good hash: note it elsewhere, and a cut chain shows.")
    broken_at: int | None
    why: str


@routes.get("/api/v1/audit")
@declared(auth="either", scope="admin")
async def list_rows(
    desk: HasDesk,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    action: Annotated[str | None, Query(max_length=100)] = None,
    user_id: Annotated[str | None, Query(max_length=100)] = None,
) -> AuditPage:
    """Newest first."""
    rows = await desk.audit.page(before=before, limit=limit, action=action, user_id=user_id)
    return AuditPage(
        data=[
            AuditRowOut(
                number=row.number,
                at=row.at,
                actor=row.actor,
                action=row.action,
                target=row.target,
                details=json.loads(row.details),
                from_addr=row.from_addr,
                hash=row.hash,
            )
            for row in rows
        ],
        next=rows[-1].number if len(rows) == limit else None,
    )


@routes.get("/api/v1/audit/verify")
@declared(auth="either", scope="admin")
async def verify(desk: HasDesk) -> VerdictOut:
    """Walk the chain from its first row."""
    verdict = await desk.audit.verify()
    return VerdictOut(
        ok=verdict.broken_at is None, rows=verdict.rows, head=verdict.head, broken_at=verdict.broken_at, why=verdict.why
    )

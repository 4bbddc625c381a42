"""`/api/v1/me`: what the credential in use is, and may do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from doorward.core.caller import Scope
from doorward.edge.control_plane.caller import Calling
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer

routes = router("me")


class LimitsOut(Answer):
    """null: no bound of its own."""

    rpm: int | None
    rpd: int | None
    tpm: int | None
    tpd: int | None
    concurrency: int | None


class MeOut(Answer):
    owner: str = Field(description="Whose objects its calls make.")
    label: str
    key_id: str | None
    user_id: str | None
    role: Literal["admin", "user"] | None
    scopes: list[Scope]
    models: list[str] | None = Field(description="Models it may use; null: all.")
    limits: LimitsOut


@routes.get("/api/v1/me")
@declared(auth="either")
async def get_me(caller: Calling) -> MeOut:
    """The credential in use, as Doorward sees it."""
    bounds = caller.limits
    return MeOut(
        owner=caller.owner,
        label=caller.label,
        key_id=caller.key_id,
        user_id=caller.user_id,
        role=caller.role,
        scopes=sorted(caller.scopes),
        models=None if caller.models is None else list(caller.models),
        limits=LimitsOut(rpm=bounds.rpm, rpd=bounds.rpd, tpm=bounds.tpm, tpd=bounds.tpd, concurrency=bounds.concurrency),
    )

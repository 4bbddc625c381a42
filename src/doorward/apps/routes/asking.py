"""What an endpoint is handed: the apps, who asks, and the port to the model for this one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from doorward.apps.apps import Apps
from doorward.apps.ask import Ask
from doorward.core.caller import Caller

SCOPE_KEY = "doorward.asking"
"""Where the mounting side leaves the function that makes an `Asking` of a request."""


@dataclass(frozen=True, slots=True)
class Asking:
    apps: Apps
    caller: Caller
    ask: Ask
    check_page: Callable[[], None]
    """Raises `Forbidden` when a page of another site asks: for streams that are read by GET (R42)."""

    @property
    def owner(self) -> str:
        return self.caller.owner


async def _asking(request: Request) -> Asking:
    made: Asking = request.scope[SCOPE_KEY](request)
    return made


HasAsking = Annotated[Asking, Depends(_asking)]

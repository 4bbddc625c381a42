"""One audit row for each write that succeeded and did not write its own."""

from __future__ import annotations

from fastapi import Request

from doorward.audit.chain import Audit
from doorward.core.caller import Caller
from doorward.edge.origin import SAFE
from doorward.edge.peer import Peers

_MOST_ID_CHARS = 80


async def record(audit: Audit, peers: Peers, request: Request, template: str, status: int) -> None:
    """Who, which route, which object: never a body. `template` is the route's path with its placeholders."""
    if request.method in SAFE or status >= 400:
        return
    caller: Caller | str = getattr(request.state, "caller", "anonymous")
    named = [str(value)[:_MOST_ID_CHARS] for value in request.path_params.values()]
    await audit.append(
        caller,
        f"{request.method} {template}",
        ",".join(named),
        from_addr=peers.address(request.scope.get("client"), request.scope["headers"]),
    )

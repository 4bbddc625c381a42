"""One audit row for each write that does not write its own, in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from doorward.audit.chain import Audit
from doorward.core.caller import Caller
from doorward.edge.origin import SAFE
from doorward.edge.peer import Peers

_MOST_ID_CHARS = 80


async def recorded(
    audit: Audit, peers: Peers, request: Request, template: str, handle: Callable[[], Awaitable[Response]]
) -> Response:
    """Who, which route, which object: never a body. `template` is the route's path with its placeholders.

    A write that changed nothing in the database (a test call, a second deletion) gets its row afterwards.
    """
    if request.method in SAFE:
        return await handle()
    caller: Caller | str = getattr(request.state, "caller", "anonymous")
    action = f"{request.method} {template}"
    target = ",".join(str(value)[:_MOST_ID_CHARS] for value in request.path_params.values())
    from_addr = peers.address(request.scope.get("client"), request.scope["headers"])
    with audit.beside(caller, action, target, from_addr=from_addr) as row:
        response = await handle()
    if not row.done and response.status_code < 400:
        await audit.append(caller, action, target, from_addr=from_addr)
    return response

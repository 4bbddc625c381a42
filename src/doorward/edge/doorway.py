"""What the two doors of model calls share: `/v1/*` and the adapters. Who calls, how large a body may be, and how an
answer goes out that its caller may lose the right to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import InvalidApiKey
from doorward.core.exchange import Asks, Body, Exchange, Headers, Reply, header
from doorward.edge.answering import Answering
from doorward.edge.body import Receive, read_body
from doorward.edge.peer import Peers
from doorward.identity.credentials import Credentials
from doorward.identity.custody import Custody
from doorward.identity.site import Site
from doorward.identity.vigil import Vigil
from doorward.wire import multipart, openai


@dataclass(frozen=True, slots=True)
class BodyLimits:
    max_json_bytes: int
    max_file_bytes: int
    spool_bytes: int
    spool_dir: Path


@dataclass(frozen=True, slots=True)
class Doorway:
    credentials: Credentials
    vigil: Vigil
    peers: Peers
    site: Site
    custody: Custody
    limits: BodyLimits
    clock: Clock

    async def body(self, receive: Receive, headers: Headers, most_bytes: int) -> Body:
        """Raises as `edge.body.read_body`."""
        return await read_body(receive, headers, most_bytes, self.limits.spool_bytes, self.limits.spool_dir)

    def exchange(
        self, scope: Mapping[str, Any], answer: Answering, path: str, query: bytes, body: Body, asks: Asks, peer: str
    ) -> Exchange:
        """`path` as the call is known by, which need not be what came."""
        gone, now_s = scope["doorward.gone"], self.clock.monotonic()
        return Exchange(answer.request_id, scope["method"], path, query, scope["headers"], body, asks, peer, now_s, gone)

    async def pass_on(self, answer: Answering, opened: AbstractAsyncContextManager[Reply], caller: Caller) -> None:
        await answer.pass_on(opened, lambda: self.vigil.over(caller, _ending(answer)))


def is_form(headers: Headers) -> bool:
    return (header(headers, b"content-type") or b"").lower().startswith(b"multipart/form-data")


async def asks_of(headers: Headers, body: Body) -> Asks:
    """What a form or a JSON body asks; an empty one asks nothing. Raises `BadRequest`."""
    if body.size == 0:
        return Asks()
    if is_form(headers):
        return await multipart.read_asks(header(headers, b"content-type") or b"", body)
    data = body.data
    if data is None:
        data = b"".join([chunk async for chunk in body.chunks()])
    return openai.read_asks(data)


def _ending(answer: Answering) -> Callable[[], None]:
    """What ends an open answer of this task when its caller's key, session or role is gone (I9)."""
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        answer.ended_by = InvalidApiKey("This key or session was ended while its answer was open.")
        task.cancel()

    return end

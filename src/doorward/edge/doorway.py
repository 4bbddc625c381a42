"""What the two doors of model calls share: `/v1/*` and the adapters. Who calls, how large a body may be, and how an
answer goes out that its caller may lose the right to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.core.clock import Clock
from doorward.core.exchange import Asks, Body, Exchange
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

    async def body(self, receive: Receive, size: int | None, most_bytes: int) -> Body:
        """`size`: as declared. Raises as `edge.body.read_body`."""
        return await read_body(receive, size, most_bytes, self.limits.spool_bytes, self.limits.spool_dir)

    def exchange(
        self, scope: Mapping[str, Any], answer: Answering, path: str, query: bytes, body: Body, asks: Asks, peer: str
    ) -> Exchange:
        """`path` as the call is known by, which need not be what came."""
        gone, headers, now_s = scope["doorward.gone"], scope["headers"], self.clock.monotonic()
        known = (headers, scope["doorward.named"])
        return Exchange(answer.request_id, scope["method"], path, query, headers, body, asks, peer, now_s, gone, known)


def is_form(content_type: bytes | None) -> bool:
    return content_type is not None and content_type[:19].lower() == b"multipart/form-data"


async def asks_of(content_type: bytes | None, body: Body) -> Asks:
    """What a form or a JSON body asks; an empty one asks nothing. Raises `BadRequest`."""
    if body.size == 0:
        return Asks()
    if content_type is not None and is_form(content_type):
        return await multipart.read_asks(content_type, body)
    data = body.data
    if data is None:
        data = b"".join([chunk async for chunk in body.chunks()])
    return openai.read_asks(data)

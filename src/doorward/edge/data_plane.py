"""`/v1/*` as a bare ASGI class: bytes in -> `Exchange` -> pipeline -> bytes out.

Order matters: the path is matched, the caller known and a place likely before a body is read, so that nobody
makes Doorward take half a gigabyte for a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import Any

from doorward.core.errors import BadRequest, MethodNotAllowed, NotFound
from doorward.core.exchange import EMPTY, Asks, Body, Headers
from doorward.edge.answering import Answering, answered
from doorward.edge.body import Receive, declared_size
from doorward.edge.doorway import Doorway, asks_of, is_form
from doorward.edge.origin import check_write
from doorward.edge.protocol_cycle import CYCLE
from doorward.identity.custody import require_call
from doorward.relay.pipeline import Pipeline
from doorward.wire.endpoints import ENDPOINTS, Endpoint, match

_PATH = re.compile(r"/v1(?:/[A-Za-z0-9_.:\-]+)+")
"""Letters that ids and paths are made of; models with a slash are looked up in their own way."""
_MODEL_PATH = re.compile(r"/v1/models/[\x21-\x7e]+")
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class DataPlane:
    def __init__(self, pipeline: Pipeline, doorway: Doorway) -> None:
        self._pipeline = pipeline
        self._doorway = doorway

    def __call__(self, scope: Mapping[str, Any], receive: Receive, send: object) -> Awaitable[None]:
        answer = Answering(scope[CYCLE])
        return answered(scope, answer, self._answer(scope, receive, answer))

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, answer: Answering) -> None:
        method: str = scope["method"]
        path: str = scope["path"]
        headers: Headers = scope["headers"]
        endpoint, ids = _endpoint(method, path)
        doorway = self._doorway
        peer = doorway.peers.address(scope["client"], headers)
        caller = await doorway.credentials.resolve(headers, from_addr=peer)
        require_call(doorway.custody, caller)
        check_write(method, headers, doorway.site, doorway.custody, caller)
        self._pipeline.admission.look(caller.owner)
        body, asks = await self._body(method, scope["doorward.named"], endpoint, receive)
        exchange = doorway.exchange(scope, answer, path, scope["query_string"], body, asks, peer)
        await answer.pass_on(self._pipeline.open(exchange, caller, endpoint, ids), doorway.vigil, caller)

    async def _body(self, method: str, head: Mapping[bytes, bytes], endpoint: Endpoint, receive: Receive) -> tuple[Body, Asks]:
        limits, content_type = self._doorway.limits, head.get(b"content-type")
        form = is_form(content_type)
        json_like = not endpoint.form or (content_type is not None and content_type[:16].lower() == b"application/json")
        cap = limits.max_json_bytes if json_like and not form else limits.max_file_bytes
        body = await self._doorway.body(receive, declared_size(head.get(b"content-length")), cap)
        if body.size == 0 and method == "POST" and endpoint.kind in _NEEDS_BODY:
            raise BadRequest("The request has no body: this endpoint needs one.")
        if body.size == 0 or method in _BODYLESS:
            return EMPTY, Asks()
        if endpoint.form and not json_like and not form:
            if endpoint.kind in _NEEDS_BODY:
                raise BadRequest("This endpoint takes multipart/form-data.", param="content-type")
            return body, Asks()
        return body, await asks_of(content_type, body)


_NEEDS_BODY = frozenset({"chat", "completion", "embedding", "moderation", "image", "speech", "transcript", "file"})


_NO_IDS: Mapping[str, str] = {}
_USUAL = {(method, row.template): (row, _NO_IDS) for row in ENDPOINTS if "{" not in row.template for method in row.methods}
"""Paths that stand in the table as they are: nothing about them is left to check."""


def _endpoint(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
    """Raises `NotFound` or `MethodNotAllowed`. Authorises on the matched route, never on a rebuilt URL."""
    if (usual := _USUAL.get((method, path))) is not None:
        return usual
    if (not _PATH.fullmatch(path) or "/../" in path + "/" or "/./" in path + "/") and not _MODEL_PATH.fullmatch(path):
        raise _unknown(method)
    if path.startswith("/v1/organization"):
        raise NotFound("organization/* is not relayed: it needs an administrator's bearer of OpenAI's own.")
    found = match(method, path)
    if found.endpoint is not None:
        return found.endpoint, found.ids
    if found.allowed:
        raise MethodNotAllowed(f"{method} is not allowed here. Allowed: {', '.join(sorted(found.allowed))}.")
    raise _unknown(method)


def _unknown(method: str) -> NotFound:
    return NotFound(f"There is no such endpoint for {method}. See the API reference for the paths under /v1.", code="unknown_url")

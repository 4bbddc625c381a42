"""`/v1/*` as a bare ASGI class: bytes in -> `Exchange` -> pipeline -> bytes out.

Order matters: the path is matched, the caller known and a place likely before a body is read, so that nobody
makes Doorward take half a gigabyte for a refusal.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.core.clock import Clock
from doorward.core.errors import BadRequest, InvalidApiKey, MethodNotAllowed, NotFound
from doorward.core.exchange import EMPTY, Asks, Body, Exchange, Headers, header
from doorward.edge.answering import Answering, Send, answered
from doorward.edge.body import Receive, read_body
from doorward.edge.origin import check_write
from doorward.edge.peer import Peers
from doorward.identity.credentials import Credentials
from doorward.identity.custody import Custody, require_call
from doorward.identity.site import Site
from doorward.identity.vigil import Vigil
from doorward.relay.pipeline import Pipeline
from doorward.wire import multipart, openai
from doorward.wire.endpoints import Endpoint, match

_PATH = re.compile(r"/v1(?:/[A-Za-z0-9_.:\-]+)+")
"""Letters that ids and paths are made of; models with a slash are looked up in their own way."""
_MODEL_PATH = re.compile(r"/v1/models/[\x21-\x7e]+")
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class BodyLimits:
    max_json_bytes: int
    max_file_bytes: int
    spool_bytes: int
    spool_dir: Path


class DataPlane:
    def __init__(
        self,
        pipeline: Pipeline,
        credentials: Credentials,
        vigil: Vigil,
        peers: Peers,
        site: Site,
        custody: Custody,
        limits: BodyLimits,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._credentials = credentials
        self._vigil = vigil
        self._peers = peers
        self._site = site
        self._custody = custody
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await answered(scope, send, lambda answer: self._answer(scope, receive, answer))

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, answer: Answering) -> None:
        method: str = scope["method"]
        path: str = scope["path"]
        headers: Headers = scope["headers"]
        endpoint, ids = _endpoint(method, path)
        peer = self._peers.address(scope["client"], headers)
        caller = await self._credentials.resolve(headers, from_addr=peer)
        require_call(self._custody, caller)
        check_write(method, headers, self._site, self._custody, caller)
        self._pipeline.admission.look(caller.owner)
        body, asks = await self._body(method, headers, endpoint, receive)
        exchange = Exchange(
            answer.request_id,
            method,
            path,
            scope["query_string"],
            headers,
            body,
            asks,
            peer,
            self._clock.monotonic(),
            scope["doorward.gone"],
        )
        await answer.pass_on(self._pipeline.open(exchange, caller, endpoint, ids), self._vigil.over(caller, ending(answer)))

    async def _body(self, method: str, headers: Headers, endpoint: Endpoint, receive: Receive) -> tuple[Body, Asks]:
        content_type = header(headers, b"content-type") or b""
        form = content_type.lower().startswith(b"multipart/form-data")
        json_like = not endpoint.form or content_type.lower().startswith(b"application/json")
        cap = self._limits.max_json_bytes if json_like and not form else self._limits.max_file_bytes
        body = await read_body(receive, headers, cap, self._limits.spool_bytes, self._limits.spool_dir)
        if body.size == 0:
            if method == "POST" and endpoint.kind in _NEEDS_BODY:
                raise BadRequest("The request has no body: this endpoint needs one.")
            return EMPTY, Asks()
        if method in _BODYLESS:
            return EMPTY, Asks()
        if form:
            return body, await multipart.read_asks(content_type, body)
        if endpoint.form and not json_like:
            if endpoint.kind in _NEEDS_BODY:
                raise BadRequest("This endpoint takes multipart/form-data.", param="content-type")
            return body, Asks()
        data = body.data
        if data is None:
            data = b"".join([chunk async for chunk in body.chunks()])
        return body, openai.read_asks(data)


def ending(answer: Answering) -> Callable[[], None]:
    """What ends an open answer of this task when its caller's key, session or role is gone (I9)."""
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        answer.ended_by = InvalidApiKey("This key or session was ended while its answer was open.")
        task.cancel()

    return end


_NEEDS_BODY = frozenset({"chat", "completion", "embedding", "moderation", "image", "speech", "transcript", "file"})


def _endpoint(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
    """Raises `NotFound` or `MethodNotAllowed`. Authorises on the matched route, never on a rebuilt URL."""
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

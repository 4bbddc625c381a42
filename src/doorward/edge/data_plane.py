"""`/v1/*` as a bare ASGI class: bytes in -> `Exchange` -> pipeline -> bytes out.

Order matters: the path is matched and the caller known before a body is read, so that nobody makes
Doorward take half a gigabyte for a refusal.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import BadRequest, DoorwardError, MethodNotAllowed, NotFound, Unavailable
from doorward.core.exchange import EMPTY, Asks, Body, Exchange, Gone, Header, Headers, Reply, header
from doorward.edge.body import ClientLeft, Receive, read_body
from doorward.edge.peer import Peers
from doorward.identity.credentials import Credentials
from doorward.relay.pipeline import Pipeline
from doorward.wire import envelope, multipart, openai
from doorward.wire.endpoints import Endpoint, match

Send = Callable[[dict[str, Any]], Awaitable[None]]

_PATH = re.compile(r"/v1(?:/[A-Za-z0-9_.:\-]+)+")
"""Letters that ids and paths are made of; models with a slash are looked up in their own way."""
_MODEL_PATH = re.compile(r"/v1/models/[\x21-\x7e]+")
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS"})

log = structlog.get_logger("doorward.call")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    max_json_bytes: int
    max_file_bytes: int
    spool_bytes: int
    spool_dir: Path


class DataPlane:
    def __init__(self, pipeline: Pipeline, credentials: Credentials, peers: Peers, limits: BodyLimits, clock: Clock) -> None:
        self._pipeline = pipeline
        self._credentials = credentials
        self._peers = peers
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        answer = _Answering(scope["doorward.request_id"], send)
        gone: Gone = scope["doorward.gone"]
        task = asyncio.current_task()
        assert task is not None
        gone.then(task.cancel)
        try:
            await self._answer(scope, receive, answer, gone)
        except ClientLeft:
            pass
        except DoorwardError as error:
            await answer.fail(error)
        except asyncio.CancelledError:
            if not gone.happened:  # the server is stopping: the client is told, then the task ends
                await answer.fail(Unavailable("Doorward is stopping. Send the request again.", retry_after_s=1))
                raise
            task.uncancel()
        except Exception as cause:  # the last resort: whatever was not foreseen is a 500 in shape, and a line in the log
            log.exception("internal_error", request_id=answer.request_id, cause=type(cause).__name__)
            await answer.fail(DoorwardError("Doorward failed inside. The log has the cause under this request id."))
        finally:
            gone.forget(task.cancel)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, answer: _Answering, gone: Gone) -> None:
        method: str = scope["method"]
        path: str = scope["path"]
        headers: Headers = scope["headers"]
        endpoint, ids = _endpoint(method, path)
        peer = self._peers.address(scope["client"], headers)
        caller = await self._credentials.resolve(headers, from_addr=peer)
        body, asks = await self._body(method, headers, endpoint, receive)
        exchange = Exchange(
            answer.request_id, method, path, scope["query_string"], headers, body, asks, peer, self._clock.monotonic(), gone
        )
        await self._relay(exchange, caller, endpoint, ids, answer)

    async def _relay(
        self, exchange: Exchange, caller: Caller, endpoint: Endpoint, ids: Mapping[str, str], answer: _Answering
    ) -> None:
        async with self._pipeline.open(exchange, caller, endpoint, ids) as reply:
            await answer.start(reply)
            async for chunk in reply.chunks:
                await answer.send_chunk(chunk)
        # The end is sent after everything held was given back: who reads it may count on a settled call.
        await answer.end()

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


class _Answering:
    """The response's side of one call: starts once, ends once, and turns errors into what is still possible."""

    __slots__ = ("_send", "_started", "_streamed", "request_id")

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self._send = send
        self._started = False
        self._streamed = False

    async def start(self, reply: Reply) -> None:
        headers: list[Header] = [*reply.headers, (b"x-request-id", self.request_id.encode())]
        self._streamed = reply.streamed
        if reply.streamed:
            # A proxy in front must not gather events (nginx obeys this header).
            headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        self._started = True

    async def send_chunk(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def fail(self, error: DoorwardError) -> None:
        """Before the head: a status. In a stream: one error event and the end, without `[DONE]`. Else: a broken connection."""
        if not self._started:
            body = envelope.body(error)
            headers = envelope.headers(error, self.request_id)
            await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
            self._started = True
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
        elif self._streamed:
            await self.send_chunk(envelope.event(error))
            await self.end()

"""The simulator as a bare ASGI app: read, find the endpoint, answer, write the log line."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from doorward.core.clock import Clock, SystemClock
from doorward.core.errors import BadRequest, DoorwardError, InvalidApiKey, LimitExceeded, Unavailable
from doorward.core.secret import Secret
from doorward.simulator import faults as misbehaving
from doorward.simulator.call import Answer, Call, Whole, too_large
from doorward.simulator.delivery import Delivery, Dropped, Send
from doorward.simulator.faults import Behaviour, Faults
from doorward.simulator.log import Record, RequestLog
from doorward.simulator.routes import find
from doorward.simulator.shelf import Shelf
from doorward.wire import envelope

Receive = Callable[[], Awaitable[dict[str, Any]]]
DEFAULT = Behaviour()
HEAVY_BYTES = 64 * 1024
"""Larger bodies are answered in a thread: counting a million characters takes 0.1 s."""


class Simulator:
    """`log.records` and its sums say what was served: the truth that a gateway's ledger must equal."""

    def __init__(
        self,
        behaviour: Behaviour = DEFAULT,
        *,
        log: RequestLog | None = None,
        required_key: Secret | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.log = log or RequestLog()
        self.shelf = Shelf()
        self.open_calls = 0
        self._required_key = required_key
        self._clock = clock or SystemClock()
        self._seen: Counter[str] = Counter()
        self._number = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started = self._clock.monotonic()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self._number += 1
        request_id = headers.get(b"x-request-id") or f"req_sim{self._number:012d}".encode()
        record = Record(self._clock.wall(), request_id.decode("latin-1"), scope["method"], scope["path"])
        delivery = Delivery(
            send,
            scope.get("extensions", {}).get("doorward.connection"),
            self._clock,
            self.behaviour,
            misbehaving.NO_FAULTS,
            record,
            request_id,
            lambda: self.log.write(record),
        )
        self.open_calls += 1
        dropped = False
        try:
            body = await _read(receive, self.behaviour.max_body_bytes)
            if body is None:
                return
            if isinstance(body, bytes) and len(body) > HEAVY_BYTES and scope["path"] != "/v1/files":
                answer = await asyncio.to_thread(self._answer, scope, headers, body, delivery)
            else:
                answer = self._answer(scope, headers, body, delivery)
            if isinstance(answer, Whole) and delivery.at_once:
                await delivery.answer(answer)
            else:
                await _while_client_stays(delivery.answer(answer), receive)
        except Dropped:
            dropped = True
            # With no hold on the connection the server must close it itself: an unfinished answer makes it.
            if delivery.connection is None:
                raise
        finally:
            self.open_calls -= 1
            if not record.finished:
                if not dropped:
                    record.aborted_at = round(self._clock.monotonic() - started, 4)
                self.log.write(record)

    def _answer(self, scope: dict[str, Any], headers: dict[bytes, bytes], body: bytes | BadRequest, delivery: Delivery) -> Answer:
        record = delivery.record
        call = Call(
            scope["method"],
            scope["path"],
            scope.get("query_string", b""),
            headers,
            b"",
            int(record.time),
            self.shelf,
            self.behaviour.any_model,
        )
        try:
            record.auth_ok = self._authorised(headers)
            if not record.auth_ok:
                raise InvalidApiKey("Incorrect API key provided. Give the simulator the key it was started with.")
            if isinstance(body, BadRequest):
                raise body
            call.body = body
            if told := headers.get(b"x-simulate"):
                delivery.behaviour = misbehaving.parse_header(told.decode("latin-1"), self.behaviour)
            if delivery.behaviour.faults:
                delivery.faults = misbehaving.applying(delivery.behaviour.faults, self._seen)
            call.answer_tokens = delivery.behaviour.answer_tokens
            handler = find(call)
            answer = _failing(delivery.faults) if delivery.faults.status else handler(call)
        except DoorwardError as error:
            answer = Whole(envelope.body(error), error.status)
        record.model, record.stream = call.model, call.streamed
        return answer

    def _authorised(self, headers: dict[bytes, bytes]) -> bool:
        if self._required_key is None:
            return True
        sent = headers.get(b"authorization", b"")
        presented = sent[7:].strip() if sent[:7].lower() == b"bearer " else headers.get(b"api-key", b"")
        return Secret(presented) == self._required_key


def _failing(faults: Faults) -> Whole:
    """The status a fault asks for, in OpenAI's shape."""
    status = faults.status or 500
    error: DoorwardError
    if status == 429:
        error = LimitExceeded("Rate limit reached, as the simulator was told to say.", code=faults.code)
        if faults.code == "insufficient_quota":
            error.type = "insufficient_quota"
    elif status >= 500:
        error = Unavailable(f"The simulator was told to fail with {status}.", code=faults.code or "server_error")
    else:
        error = BadRequest(f"The simulator was told to fail with {status}.", code=faults.code)
    headers = [(b"retry-after", faults.retry_after.encode())] if faults.retry_after is not None else []
    return Whole(envelope.body(error), status, headers=headers)


async def _read(receive: Receive, limit_bytes: int) -> bytes | BadRequest | None:
    """The whole body; a refusal if it is over the limit; `None` if the client left before its end."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size <= limit_bytes:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= limit_bytes else too_large(limit_bytes)


async def _while_client_stays(work: Any, receive: Receive) -> None:
    """Do the work, and drop it at the moment the client leaves."""

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        gone.cancel()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

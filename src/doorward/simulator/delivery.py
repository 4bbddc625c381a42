"""Sending one answer: at its pace, with its faults, counting what was delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from doorward.core.clock import Clock
from doorward.simulator.call import Answer, Streamed, Whole
from doorward.simulator.faults import Behaviour, Faults
from doorward.simulator.log import Record

Send = Callable[[dict[str, Any]], Awaitable[None]]
FRAMES_AT_ONCE = 16
"""After so many events without a pause the event loop gets a turn, so that a leaving client is seen."""


class Connection(Protocol):
    """What a server lets the simulator do to a client's connection (`scope["extensions"]["doorward.connection"]`)."""

    def reset(self) -> None:
        """Drop it with a reset; nothing that waits is sent."""

    def close(self) -> None:
        """Send what waits, then close, whatever the framing still promises."""


class Dropped(Exception):
    """The connection is gone on purpose: nothing may be sent any more."""


@dataclass(slots=True)
class Delivery:
    """One answer on its way; `record` learns what was billed."""

    send: Send
    connection: Connection | None
    clock: Clock
    behaviour: Behaviour
    faults: Faults
    record: Record
    request_id: bytes
    settle: Callable[[], None]
    """Called once the answer is made whole, just before its last byte: who has the answer finds it in the log."""

    @property
    def at_once(self) -> bool:
        """Nothing is waited for, so nobody needs to watch the client meanwhile."""
        return not self.behaviour.latency_ms and self.behaviour.tokens_per_s is None and not self.behaviour.faults

    async def answer(self, answer: Answer) -> None:
        wait_s = self.behaviour.latency_ms / 1000 + self.faults.slow_head
        if wait_s:
            await asyncio.sleep(wait_s)
        if self.faults.reset:
            self.record.tokens_in = answer.tokens_in
            self._drop(reset=True)
        if isinstance(answer, Whole):
            await self._whole(answer)
        else:
            await self._streamed(answer)

    async def _whole(self, answer: Whole) -> None:
        faults, record = self.faults, self.record
        record.tokens_in = answer.tokens_in
        body = answer.body
        if faults.stall is not None:
            await asyncio.Event().wait()
        if self.behaviour.tokens_per_s and answer.tokens_out:
            await self._generated(answer.tokens_out)
        record.tokens_out = answer.tokens_out
        if faults.malformed and answer.status < 300:
            body = body[: len(body) // 2]
        length = [(b"content-length", str(len(body)).encode())]
        await self._head(answer.status, answer.content_type, length + answer.headers)
        if faults.cut is not None and answer.status < 300:
            await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            self._drop(reset=False)
        self._finish()
        await self.send({"type": "http.response.body", "body": body})

    async def _streamed(self, answer: Streamed) -> None:
        faults, record, send = self.faults, self.record, self.send
        record.tokens_in = answer.tokens_in
        await self._head(200, b"text/event-stream; charset=utf-8", [(b"cache-control", b"no-cache")])
        if faults.slow_first:
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            await asyncio.sleep(faults.slow_first)
        rate = self.behaviour.tokens_per_s
        started, broken = self.clock.monotonic(), not faults.malformed
        for sent, (frame, tokens) in enumerate(answer.frames):
            if faults.cut is not None and record.tokens_out >= faults.cut:
                self._drop(reset=False)
            if faults.stall is not None and record.tokens_out >= faults.stall:
                await asyncio.Event().wait()
            if rate and tokens:
                ahead_s = started + (record.tokens_out + tokens) / rate - self.clock.monotonic()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
            elif sent % FRAMES_AT_ONCE == FRAMES_AT_ONCE - 1:
                await asyncio.sleep(0)
            if not broken and tokens:
                await send({"type": "http.response.body", "body": b'data: {"id": "broken", "choices": [{\n\n', "more_body": True})
                broken = True
            record.tokens_out += tokens
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        self._finish()
        await send({"type": "http.response.body", "body": b"" if faults.no_done else answer.end})

    def _finish(self) -> None:
        self.record.finished = True
        self.settle()

    async def _generated(self, tokens: int) -> None:
        """Wait as long as generating takes; whoever leaves meanwhile pays for what was generated."""
        rate = self.behaviour.tokens_per_s or 1.0
        started = self.clock.monotonic()
        try:
            await asyncio.sleep(tokens / rate)
        except asyncio.CancelledError:
            self.record.tokens_out = min(tokens, int((self.clock.monotonic() - started) * rate))
            raise

    async def _head(self, status: int, content_type: bytes, more: list[tuple[bytes, bytes]]) -> None:
        self.record.status = status
        headers = [
            (b"content-type", content_type),
            (b"x-request-id", self.request_id),
            (b"openai-processing-ms", b"1"),
            (b"openai-version", b"2020-10-01"),
            *more,
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    def _drop(self, *, reset: bool) -> None:
        if self.connection is not None:
            if reset:
                self.connection.reset()
            else:
                self.connection.close()
        raise Dropped

"""Settled calls on their way to log, metrics and traces: appended on the hot path, looked at in batches beside it.

feed.settled(…)   one append, under a microsecond; a full queue drops the call and counts it
feed.run()        every `GATHER_S`, each sink sees the batch; a sink that fails is reported and harms nobody
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from doorward.core.exchange import Exchange
from doorward.store.call_rows import Settled

_log = logging.getLogger(__name__)

GATHER_S = 0.25
MOST_WAITING = 10_000
SLICE_CALLS = 100
"""Looked at without a pause."""
HELD_BODIES_BYTES = 16 * 2**20
"""Requests that the queue keeps alive until they are counted; beyond, what waits is shown at once."""


Rows = Callable[[], Settled]
"""A settled call's rows, made when somebody looks at them."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One settled call, and the little of its request that telemetry needs: not its body, not its credentials."""

    settled: Settled
    method: str
    arrived_s: float
    """Monotonic."""
    traceparent: bytes | None
    messages: int | None
    """In the request; `None`: its body has none."""
    dropped_events: int


class Sink(Protocol):
    def saw(self, calls: Sequence[Seen]) -> None:
        """A batch, in the event loop: microseconds a call, no waiting."""

    def refused(self, endpoint: str, code: str) -> None:
        """One refusal; most have no row."""


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw] | None = None
    input: msgspec.Raw = msgspec.Raw()
    """Of `/v1/responses` and embeddings."""


_read = msgspec.json.Decoder(_Messages).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def messages_of(exchange: Exchange) -> int | None:
    """Messages (or inputs) of a JSON request; `None` for other bodies, and for those that were spooled."""
    data = exchange.body.data
    if not data:
        return None
    try:
        body = _read(data)
        if body.messages is not None:
            return len(body.messages)
        given = bytes(body.input)
        if not given:
            return None
        return len(_items(given)) if given.startswith(b"[") else 1
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _seen(rows: Rows, exchange: Exchange, dropped_events: int) -> Seen:
    traceparent = exchange.header(b"traceparent")
    return Seen(rows(), exchange.method, exchange.arrived_s, traceparent, messages_of(exchange), dropped_events)


class Feed:
    """Witness of the ledger. `run` belongs to the app's tasks; `flush` after the last call."""

    def __init__(self, *, gather_s: float = GATHER_S) -> None:
        self.dropped = 0
        """Calls that no sink has seen, because the queue was full."""
        self._sinks: list[Sink] = []
        self._waiting: list[tuple[Rows, Exchange, int]] = []
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._gather_s = gather_s

    def add(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def settled(self, rows: Rows, exchange: Exchange, dropped_events: int) -> None:
        waiting = self._waiting
        if len(waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        waiting.append((rows, exchange, dropped_events))
        self._waiting_bytes += exchange.body.size
        if self._waiting_bytes > HELD_BODIES_BYTES:
            self.flush()
        elif len(waiting) == 1:
            self._wake.set()

    def refused(self, endpoint: str, code: str) -> None:
        for sink in self._sinks:
            sink.refused(endpoint, code)

    def flush(self) -> None:
        """Show what is waiting, now."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if waiting:
            self._show(waiting)

    def _show(self, waiting: Sequence[tuple[Rows, Exchange, int]]) -> None:
        batch = [_seen(*call) for call in waiting]
        for sink in self._sinks:
            try:
                sink.saw(batch)
            except Exception:  # noqa: BLE001 - telemetry must not end with one bad batch; it is reported
                _log.exception("%s could not take %d calls", type(sink).__name__, len(batch))

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._gather_s)
            self._wake.clear()
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
            for start in range(0, len(waiting), SLICE_CALLS):  # calls have their turn between
                self._show(waiting[start : start + SLICE_CALLS])
                await asyncio.sleep(0)

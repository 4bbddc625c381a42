"""One JSON line a settled call on stderr (R40): who is not in it, what was said is not in it, what it cost is.

    {"event":"call","level":"info","timestamp":"2026-11-20T10:00:00.123Z","request_id":"req_…","provider":"openai",
     "model":"gpt-4o-mini","messages":3,"duration_s":1.20,"total_tokens":812,"status":200,"attempts":1,"cost_usd":"0.0002",…}

Written in batches by a thread, so that a slow terminal or pipe delays no call. `DOORWARD_LOG_LEVEL=warning`
switches the lines off.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import Empty, Full, Queue

import msgspec

from doorward.core.money import usd_text
from doorward.telemetry.feed import Seen
from doorward.wire.scrub import scrub

MOST_BATCHES = 64
"""That wait for a reader of stderr who has stopped reading; later ones are dropped and counted."""

Write = Callable[[str], object]


class Line(msgspec.Struct, omit_defaults=False):
    """The line's fields in order. `duration_s` has two decimals."""

    event: str
    level: str
    timestamp: str
    request_id: str
    endpoint: str
    provider: str | None
    model: str | None
    messages: int | None
    duration_s: msgspec.Raw
    total_tokens: int
    status: int | None
    outcome: str
    attempts: int
    cost_usd: str
    """Decimal text, `unknown` where the price is not known."""
    cache: str
    error_code: str | None


_encode = msgspec.json.Encoder().encode


def line_of(seen: Seen) -> bytes:
    call = seen.settled.call
    settled = datetime.fromtimestamp(call.settled_at, UTC).isoformat(timespec="milliseconds")
    return _encode(
        Line(
            event="call",
            level="info",
            timestamp=settled.replace("+00:00", "Z"),
            request_id=call.id,
            endpoint=call.endpoint,
            provider=call.provider_id,
            model=call.model_served or call.model_asked,
            messages=seen.messages,
            duration_s=msgspec.Raw(b"%.2f" % ((call.duration_ms or 0.0) / 1000)),
            total_tokens=call.input_tokens + call.output_tokens,
            status=call.status,
            outcome=call.outcome,
            attempts=call.attempts,
            cost_usd=usd_text(call.cost_nanos),
            cache=call.cache,
            error_code=call.error_code,
        )
    )


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class CallLog:
    """A sink of the feed. `close` waits a moment for what is on its way."""

    def __init__(self, write: Write = _to_stderr) -> None:
        self.dropped = 0
        self._write = write
        self._batches: Queue[Sequence[Seen] | None] = Queue(MOST_BATCHES)
        self._thread = threading.Thread(target=self._run, name="call log", daemon=True)
        self._thread.start()

    def saw(self, calls: Sequence[Seen]) -> None:
        try:
            self._batches.put_nowait(calls)
        except Full:
            self.dropped += len(calls)

    def refused(self, endpoint: str, code: str) -> None:
        """Counted elsewhere: a storm of refusals must not fill a disk. Sampled ones have rows, and so lines."""

    def close(self, within_s: float = 2.0) -> None:
        try:
            self._batches.put(None, timeout=within_s)
        except Full:
            return
        self._thread.join(within_s)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            batches = [batch]
            try:
                while (more := self._batches.get_nowait()) is not None:
                    batches.append(more)
            except Empty:
                more = ()
            self._put(batches)
            if more is None:
                return

    def _put(self, batches: Sequence[Sequence[Seen]]) -> None:
        """Model names come from clients: what looks like a key does not leave."""
        lines = b"\n".join(line_of(seen) for batch in batches for seen in batch) + b"\n"
        try:
            self._write(scrub(lines).decode("utf-8", "replace"))
        except (OSError, ValueError):  # stderr is closed or full
            self.dropped += sum(map(len, batches))

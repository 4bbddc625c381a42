"""What the simulator served: one JSON line a request, and the sums, which are the upstream's truth.

time          Unix seconds of the request's arrival
request_id, method, path, model, stream, status
auth_ok       the bearer was the required one (or none is required); never the key
tokens_in     billed input tokens            tokens_out   billed output tokens, delivered or generated
aborted_at    seconds from arrival to the client's leaving, null if it stayed (a fault may end the call too)
finished      the answer was delivered whole
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

KEPT = 20_000


class Record(msgspec.Struct):
    time: float
    request_id: str
    method: str
    path: str
    model: str | None = None
    stream: bool = False
    auth_ok: bool = True
    status: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    aborted_at: float | None = None
    finished: bool = False


class RequestLog:
    """Keeps the newest records in memory and, with a path, appends each as a line as soon as it ended."""

    def __init__(self, path: Path | None = None, kept: int = KEPT) -> None:
        self.records: deque[Record] = deque(maxlen=kept)
        self.calls = self.tokens_in = self.tokens_out = self.aborted = 0
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, record: Record) -> None:
        self.records.append(record)
        self.calls += 1
        self.tokens_in += record.tokens_in
        self.tokens_out += record.tokens_out
        self.aborted += record.aborted_at is not None
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(record) + b"\n")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""The journal: what must survive the process, in files of its own (R36).

A process writes `<start id>-<n>.journal` and keeps a lock on each while it lives. A call's opening
and settling are written with one `pwrite` each, before anything else happens: SIGKILL loses
nothing, a power loss what was not synced yet (`DOORWARD_JOURNAL_SYNC_S`).

An opening reserves its settling's space, so that a call which was let in can always be booked; a
disk that has no more room refuses calls before anything is sent. A file goes when each of its
calls is in the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from doorward.core.errors import Unavailable
from doorward.ledger.records import CLOSED, ENDED, HELD, OPENED, frame

SUFFIX = ".journal"
SETTLING_BYTES = 12 * 1024
"""Reserved for each open call: 30 attempts with their reasons, and the facts."""
BLOCK_BYTES = 1 << 20
"""Space is taken from the file system in blocks of this size, not call by call."""
ROTATE_BYTES = 16 << 20


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `pending` counts its calls that are open, or settled and not yet in the database."""

    path: Path
    fd: int
    written: int = 0
    reserved: int = 0
    allocated: int = 0
    pending: int = 0
    dirty: bool = False
    spilled: int = 0
    """Settled calls whose rows are only here: memory was full while the database was away."""


class Journal:
    """Writer of one process's files. Not for several threads: only `tend` runs in another."""

    def __init__(self, directory: Path, start_id: str, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.directory = directory
        self.start_id = start_id
        self._rotate_bytes = rotate_bytes
        self._block_bytes = min(BLOCK_BYTES, rotate_bytes)
        self._segments: list[Segment] = []
        self._number = 0
        self._current: Segment | None = None
        self._tending = threading.Lock()
        """Cancelling who waits for a thread does not end it: it may still be tending when the journal is closed."""

    def open(self) -> None:
        """Make the directory and the first file. Raises `OSError` when that cannot be done: the start stops."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._rotate()

    def opened(self, payload: bytes) -> Segment:
        """Write a call's opening -> where its settling will go. Raises `Unavailable` when there is no room."""
        data = frame(OPENED, payload)
        try:
            segment = self._current
            if segment is None or segment.written >= self._rotate_bytes:
                segment = self._rotate()
            if segment.written + segment.reserved + len(data) + SETTLING_BYTES > segment.allocated:
                self._ensure(segment, len(data) + SETTLING_BYTES)
            if os.pwrite(segment.fd, data, segment.written) != len(data):
                self._write(segment, data)
        except OSError as broken:
            raise Unavailable(
                f"The journal cannot be written ({os.strerror(broken.errno or 0)}), so no call is let in. "
                "Free space in the data directory.",
                code="journal_unavailable",
            ) from broken
        segment.written += len(data)
        segment.dirty = True
        segment.reserved += SETTLING_BYTES
        segment.pending += 1
        return segment

    def held(self, segment: Segment, payload: bytes) -> None:
        """Write what a call's budgets reserved. Raises `Unavailable`: the call must not be sent."""
        data = frame(HELD, payload)
        try:
            self._ensure(segment, len(data))
            self._write(segment, data)
            segment.written += len(data)
            segment.dirty = True
        except OSError as broken:
            raise Unavailable("The journal cannot be written, so the call is not sent.", code="journal_unavailable") from broken

    def settled(self, segment: Segment, payload: bytes) -> None:
        """Write how a call ended into the space that its opening reserved. `OSError`: the disk itself is broken."""
        self._end(segment, ENDED, payload)

    def closed(self, segment: Segment, opening: str) -> None:
        """A refusal: the opening needs no row."""
        self._end(segment, CLOSED, opening.encode())
        self.moved(segment)

    def _end(self, segment: Segment, kind: int, payload: bytes) -> None:
        data = frame(kind, payload)
        segment.reserved -= SETTLING_BYTES
        if len(data) > SETTLING_BYTES:
            self._ensure(segment, len(data))
        if os.pwrite(segment.fd, data, segment.written) != len(data):
            self._write(segment, data)
        segment.written += len(data)
        segment.dirty = True

    def moved(self, segment: Segment, calls: int = 1) -> None:
        """So many calls of this file are in the database, or need not be."""
        segment.pending -= calls

    def _ensure(self, segment: Segment, more: int) -> None:
        need = segment.written + segment.reserved + more
        if need > segment.allocated:
            grow = max(self._block_bytes, need - segment.allocated)
            os.posix_fallocate(segment.fd, segment.allocated, grow)
            segment.allocated += grow

    def _write(self, segment: Segment, data: bytes) -> None:
        """To the last byte. `written` moves only after that: a torn record is overwritten by the next."""
        done = 0
        while done < len(data):
            done += os.pwrite(segment.fd, data[done:], segment.written + done)

    def _rotate(self) -> Segment:
        self._number += 1
        path = self.directory / f"{self.start_id}-{self._number}{SUFFIX}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            segment = Segment(path, fd)
            self._ensure(segment, self._block_bytes)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._segments.append(segment)
        self._current = segment
        return segment

    def tend(self) -> None:
        """Sync what was written; remove files that are done. Slow: for a thread."""
        with self._tending:
            self._tend()

    def _tend(self) -> None:
        for segment in list(self._segments):
            if segment.dirty:
                segment.dirty = False
                try:
                    os.fdatasync(segment.fd)
                except OSError:
                    segment.dirty = True
                    raise
            if segment is not self._current and not segment.pending:
                self._remove(segment)

    def spilled(self) -> list[Segment]:
        return [segment for segment in self._segments if segment.spilled]

    def close(self) -> None:
        """Sync, and leave only files that the next start must read."""
        self._current = None
        with self._tending:
            with contextlib.suppress(OSError):
                self._tend()
            for segment in self._segments:
                os.close(segment.fd)
            self._segments.clear()

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        segment.path.unlink(missing_ok=True)
        os.close(segment.fd)

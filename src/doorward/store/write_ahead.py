"""SQLite's write-ahead log, brought to its disk beside the writers and not by them.

A commit under `synchronous = NORMAL` is in the log, and the log in the system's memory: a crash of the process
loses nothing, a power loss may. `fdatasync` of the log makes all that was committed before it survive that too,
and takes no lock of SQLite's. What is not in the log any more needs none: a checkpoint syncs the log before it
moves pages and the database after it, and only then may the log begin anew (its head and its directory are synced
there) or, when the last connection closes, be removed.

Linux tells a failed write once and then forgets the page. So a log whose sync failed is not asked again: what it
holds is moved into the database, and it begins anew in fresh pages. And our descriptor is opened before the commits
that it answers for, so that a failure which was told to SQLite's own descriptor is told to ours too.

The log carries no lock, so closing our descriptor drops none; one of the database's file would drop them all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

_log = logging.getLogger(__name__)

MOVE_ALL = "PRAGMA wal_checkpoint(TRUNCATE)"
"""-> (busy, …): 0 when the log is empty, and all that it held is synced in the database. Also when there is no log at all."""


class WriteAheadLog:
    """Of one process. `sync` is for a thread."""

    def __init__(self, database: Path) -> None:
        self._path = os.path.realpath(database) + "-wal"
        self._fd: int | None = None
        self._trusted = True
        self._turn = threading.Lock()
        """Cancelling who waits for a thread does not end it."""

    def watch(self) -> None:
        """Open it, if it is there."""
        with self._turn:
            self._open()

    def sync(self) -> bool:
        """-> whether all that was committed is on disk; if not, `MOVE_ALL` must bring it there."""
        with self._turn:
            fd = self._open()
            if fd is None or not self._trusted:
                return False
            try:
                os.fdatasync(fd)
            except OSError as broken:
                self._trusted = False
                _log.error("SQLite's log cannot be synced (%s): it is moved into the database", os.strerror(broken.errno or 0))
            return self._trusted

    def moved_all(self) -> None:
        """What stands in it from now on is new."""
        self._trusted = True

    def close(self) -> None:
        with self._turn:
            self._drop()

    def _open(self) -> int | None:
        if self._fd is not None and not os.fstat(self._fd).st_nlink:
            self._drop()  # removed, and what was in it moved, when no connection was left
        if self._fd is None:
            with contextlib.suppress(FileNotFoundError):
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd

    def _drop(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

"""What a power loss would leave of a SQLite database: its files as they were when they were last synced by us."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


class Disk:
    """Stands before `os.fdatasync`. SQLite's own syncs, at its checkpoints, are not seen: keep below a thousand pages."""

    def __init__(self, database: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._database = database
        self._image = image / "image.db"
        self._sync = os.fdatasync
        self.failing = False
        """Every sync of the log fails, as on a disk with errors."""
        self.before: Callable[[], object] = lambda: None
        """In the thread that is about to sync the log."""
        self.syncs = 0
        # by another process: closing a database's file drops every lock that its own process has on it
        subprocess.run(["cp", database, self._image], check=True)  # noqa: S603, S607
        monkeypatch.setattr(os, "fdatasync", self._fdatasync)

    def _fdatasync(self, fd: int) -> None:
        log = Path(f"{self._database}-wal")
        if Path(os.readlink(f"/proc/self/fd/{fd}")) != log.resolve():
            self._sync(fd)
            return
        self.before()
        self.syncs += 1
        if self.failing:
            raise OSError(5, "Input/output error")
        self._sync(fd)
        shutil.copy(log, f"{self._image}-wal")

    def count(self, table: str) -> int:
        """Rows, after the power came back."""
        with sqlite3.connect(self._image) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a test's table
        connection.close()
        return int(found)

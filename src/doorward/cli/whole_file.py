"""Replacing a file whole: whoever reads it sees the old or the new, never half of one."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

NEW_MODE = 0o644


def replace_whole(path: Path, text: str) -> None:
    """Written beside, synced, renamed; the mode stays, and a link still points where it did. Raises `OSError`."""
    target = path.resolve()
    try:
        before = target.stat()
        mode = stat.S_IMODE(before.st_mode)
    except FileNotFoundError:
        before, mode = None, NEW_MODE
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fchmod(file.fileno(), mode)
            if before is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

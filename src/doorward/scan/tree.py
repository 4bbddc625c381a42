"""Which files are read: what git would keep, else everything but what is known to be others' or made."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

SKIPPED_DIRECTORIES = re.compile(
    r"\.git|\.hg|\.svn|node_modules|bower_components|\.?venv|\.tox|\.nox|__pycache__|site-packages|\.[a-z]+_cache|\.cache"
    r"|\.hypothesis|\.next|\.nuxt|\.svelte-kit|\.terraform|\.gradle|\.idea|dist|build|target|coverage"
)
"""Whole names: what tools fetch or make."""
MAX_FILE_BYTES = 2 * 2**20
_SNIFF_BYTES = 8192
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Skipped:
    """Files that were not read, so that silence about them is no promise."""

    binary: int = 0
    large: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def files_below(root: Path, exclude: Sequence[str] = ()) -> Iterator[tuple[PurePosixPath, Path]]:
    """(path from the root, path) in order, symbolic links left out. `root` may be a file. `exclude`: globs from the root."""
    if root.is_file():
        yield PurePosixPath(root.name), root
        return
    for name in sorted(_kept_by_git(root) or _walked(root)):
        path = root / name
        relative = PurePosixPath(name)
        if not _is_excluded(relative, exclude) and not path.is_symlink() and path.is_file():
            yield relative, path


def text_of(path: Path, relative: PurePosixPath, skipped: Skipped, most_bytes: int = MAX_FILE_BYTES) -> bytes | None:
    """A text file's content in an ASCII-compatible encoding; `None` for what is not read."""
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError:
        skipped.unreadable.append(str(relative))
        return None
    if len(content) > most_bytes:
        skipped.large.append(str(relative))
        return None
    if content.startswith(_UTF16):
        # as PowerShell's redirection writes it
        return content.decode("utf-16", "replace").encode()
    if b"\0" in content[:_SNIFF_BYTES]:
        skipped.binary += 1
        return None
    return content


def _kept_by_git(root: Path) -> list[str] | None:
    """Tracked files and new ones that are not ignored; `None` where there is no repository, or no git."""
    # -z: names come as they are, unquoted
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=_environment())  # noqa: S603  # no shell
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _environment() -> dict[str, str]:
    """Inside a git hook, these variables point at the repository of the hook, whatever tree is named."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _walked(root: Path) -> Iterable[str]:
    for directory, directories, names in os.walk(root):
        directories[:] = [name for name in directories if not SKIPPED_DIRECTORIES.fullmatch(name)]
        below = Path(directory).relative_to(root)
        for name in names:
            yield (below / name).as_posix()


def _is_excluded(path: PurePosixPath, exclude: Sequence[str]) -> bool:
    return any(fnmatch(str(path), pattern) or str(path).startswith(pattern.rstrip("/*") + "/") for pattern in exclude)

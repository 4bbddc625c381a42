"""The whole scan: files in, findings out."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from doorward.scan import calls, keys, tree
from doorward.scan.baseline import print_of
from doorward.scan.finding import Finding, Sighting
from doorward.scan.tree import MAX_FILE_BYTES, Skipped

_ALLOWED = re.compile(rb"doorward-scan:[ \t]*allow[ \t]+(?P<reason>[^\s\-*/>][^\r\n]*)")
_NEWLINE = re.compile(rb"\n")
_IN_PATH = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(slots=True)
class Swept:
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    allowed: int = 0
    """Findings on lines that say why they may stay."""
    skipped: Skipped = field(default_factory=Skipped)


def sweep(roots: Sequence[Path], exclude: Sequence[str] = (), most_bytes: int = MAX_FILE_BYTES) -> Swept:
    """Findings in the order of paths and places."""
    swept = Swept()
    tree_sets_base_url = False
    seen: set[Path] = set()
    for root in roots:
        for relative, path in tree.files_below(root, exclude):
            if path in seen:
                continue
            seen.add(path)
            text = tree.text_of(path, relative, swept.skipped, most_bytes)
            if text is None:
                continue
            swept.files += 1
            tree_sets_base_url = tree_sets_base_url or (calls.is_environment(relative) and calls.sets_base_url(text))
            shown = _shown(path if root.is_file() else relative)
            swept.findings += _found(text, relative, shown, swept)
    if tree_sets_base_url:
        # the SDKs read the variable themselves: a client in this tree needs no argument
        swept.findings = [finding for finding in swept.findings if finding.kind != "client_without_base_url"]
    swept.findings.sort(key=lambda finding: (finding.path, finding.line, finding.column))
    return swept


def _found(text: bytes, relative: PurePosixPath, shown: str, swept: Swept) -> Iterator[Finding]:
    sightings = list(keys.keys_in(text))
    starts: list[int] | None = None
    if calls.is_code(relative):
        hosts = list(calls.hosts_in(text))
        sightings += [*hosts, *calls.clients_in(text, relative.suffix.lower())]
        if hosts:
            starts = _line_starts(text)
            sightings += keys.bearers_in(text, {bisect_right(starts, host.start) for host in hosts}, starts)
        if calls.is_environment(relative):
            sightings += calls.environment_in(text)
    if not sightings:
        return
    starts = starts or _line_starts(text)
    for sighting in sightings:
        number = bisect_right(starts, sighting.start)
        line = _line(text, starts, number)
        if sighting.group == "call" and calls.is_comment(line):
            continue
        if _ALLOWED.search(line) or (number > 1 and _allows_next(_line(text, starts, number - 1))):
            swept.allowed += 1
            continue
        yield _finding(sighting, text, line, number, starts[number - 1], shown)


def _finding(sighting: Sighting, text: bytes, line: bytes, number: int, line_start: int, shown: str) -> Finding:
    column = len(text[line_start : sighting.start].decode("utf-8", "replace")) + 1
    return Finding(
        sighting.group,
        sighting.kind,
        sighting.says,
        shown,
        number,
        column,
        sighting.end - sighting.start,
        print_of(sighting.kind, shown, line),
    )


def _allows_next(line: bytes) -> bool:
    """A comment of its own allows the line below: JSON-like files have no room at a line's end."""
    return calls.is_comment(line) and _ALLOWED.search(line) is not None


def _line_starts(text: bytes) -> list[int]:
    return [0, *(match.end() for match in _NEWLINE.finditer(text))]


def _line(text: bytes, starts: list[int], number: int) -> bytes:
    end = starts[number] if number < len(starts) else len(text)
    return text[starts[number - 1] : end]


def _shown(path: PurePosixPath | Path) -> str:
    """A path may hold a key, or characters that would forge a line."""
    clean = _IN_PATH.sub("?", path.as_posix())
    return keys.masked(clean.encode()).decode()

"""Findings that are known: a tree with a past can be watched for new ones from today on.

The file holds fingerprints, one for each finding. A fingerprint is made of the kind, the path and the
line without its key, so it survives lines that move and tells nothing about a key.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from doorward.scan.finding import Finding
from doorward.scan.keys import masked

FORMAT = 1


class NoBaseline(ValueError):
    """The file is none of ours."""


def print_of(kind: str, path: str, line: bytes) -> str:
    said = b"\0".join((kind.encode(), path.encode(errors="surrogateescape"), b" ".join(masked(line).split())))
    return hashlib.sha256(said).hexdigest()[:20]


def read(file: Path) -> Counter[str]:
    """Fingerprints with how often each is known. Raises `NoBaseline`, `OSError`."""
    try:
        shape = json.loads(file.read_bytes())
        if shape["format"] != FORMAT:
            raise NoBaseline
        return Counter({str(row["print"]): int(row["count"]) for row in shape["findings"]})
    except (ValueError, TypeError, KeyError):
        raise NoBaseline(f"{file} is no baseline of doorward scan") from None


def write(file: Path, findings: Iterable[Finding]) -> int:
    """-> how many."""
    listed = list(findings)
    counts = Counter((finding.path, finding.kind, finding.print) for finding in listed)
    rows = [{"path": path, "kind": kind, "print": mark, "count": counts[path, kind, mark]} for path, kind, mark in sorted(counts)]
    text = json.dumps({"format": FORMAT, "findings": rows}, indent=1, ensure_ascii=True)
    file.write_text(text + "\n")
    return len(listed)


def without_known(findings: Iterable[Finding], known: Counter[str]) -> list[Finding]:
    """What is new. A line that is known once and stands there twice is new once."""
    left = Counter(known)
    new = []
    for finding in findings:
        if left[finding.print] > 0:
            left[finding.print] -= 1
        else:
            new.append(finding)
    return new

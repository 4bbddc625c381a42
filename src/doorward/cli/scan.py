"""`doorward scan`: keys in a code tree, and calls in it that go around the door (R57)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli.outcome import DONE, FAILED, WRONG_USE, Failure, Outcome
from doorward.cli.tree import Verb, verb
from doorward.scan import baseline
from doorward.scan.finding import Finding
from doorward.scan.sweep import Swept, sweep
from doorward.scan.tree import MAX_FILE_BYTES

app = verb()

KEYS = "Keys: make new ones at the provider, revoke these, and store the new ones in Doorward alone. Git's history keeps them."
CALLS = "Calls: give the client Doorward's address (base_url, baseURL, OPENAI_BASE_URL) and a client key, dw-...."
MAY_STAY = "What may stay gets a comment on its line: doorward-scan: allow <reason>"


@app.command(cls=Verb)
def scan(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="PATH...", help="Trees or files; default: here.")] = None,
    known: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Do not report what this file knows.", show_default=False)
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write-baseline", metavar="FILE", help="Write what is found now as known.", show_default=False),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Leave out, from the tree's root; repeatable.")
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-file-bytes", metavar="N", min=1, help="Do not read larger files.")
    ] = MAX_FILE_BYTES,
) -> Outcome:
    """Find provider keys in code, and calls that go around Doorward. Never prints a key. Exit code 1 if anything is found.

    Reads what git would keep: tracked files, and new ones that are not ignored.

    \b
    doorward scan .
    doorward scan . --write-baseline .doorward-scan.json
    doorward scan . --baseline .doorward-scan.json
    """
    roots = paths or [Path()]
    for root in roots:
        if not root.exists():
            raise Failure(
                "PATH is not there", f"There is no {root.name[:80]} here.", "name a directory or a file", "no_such_path", WRONG_USE
            )
    swept = sweep(roots, exclude or (), max_bytes)
    if write is not None:
        count = baseline.write(write, swept.findings)
        return Outcome({"baseline": str(write), "known": count, "files": swept.files}, said=f"ok: {count} findings are known now")
    before = len(swept.findings)
    new = swept.findings if known is None else baseline.without_known(swept.findings, _read(known))
    data = {
        "ok": not new,
        "files": swept.files,
        "findings": [
            {
                "kind": f.kind,
                "group": f.group,
                "says": f.says,
                "path": f.path,
                "line": f.line,
                "column": f.column,
                "length": f.length,
            }
            for f in new
        ],
        "known": before - len(new),
        "allowed": swept.allowed,
        "skipped": {"binary": swept.skipped.binary, "large": swept.skipped.large, "unreadable": swept.skipped.unreadable},
    }
    lines = "\n".join(f"{f.place}: {f.says}{f', {f.length} characters' if f.group == 'key' else ''}" for f in new)
    return Outcome(data, lines, _said(new, swept, before - len(new)), FAILED if new else DONE)


def _read(file: Path) -> Counter[str]:
    fix = f"make it: doorward scan --write-baseline {file.name}"
    try:
        return baseline.read(file)
    except OSError as error:
        raise Failure("the baseline cannot be read", f"{error.strerror}.", fix, "no_baseline", WRONG_USE) from error
    except baseline.NoBaseline as error:
        raise Failure(
            "the baseline cannot be read", "It is no baseline of doorward scan.", fix, "no_baseline", WRONG_USE
        ) from error


def _said(new: list[Finding], swept: Swept, known: int) -> str:
    groups = {finding.group for finding in new}
    advice = [text for group, text in (("key", KEYS), ("call", CALLS)) if group in groups]
    if new:
        advice.append(MAY_STAY)
    notes = [f"{known} known"] if known else []
    notes += [f"{swept.allowed} allowed"] if swept.allowed else []
    notes += [f"not read: {swept.skipped.binary} binary"] if swept.skipped.binary else []
    for name, left_out in (("too large", swept.skipped.large), ("unreadable", swept.skipped.unreadable)):
        notes += [f"not read, {name}: {', '.join(left_out[:5])}{' …' if len(left_out) > 5 else ''}"] if left_out else []
    count = f"{len(new)} finding{'' if len(new) == 1 else 's'}" if new else "ok: nothing found"
    return "\n".join([*advice, "; ".join([f"{count} in {swept.files:,} files", *notes])])

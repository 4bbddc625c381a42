"""`doorward doctor`: what is well and what is not, failures last, each with its fix."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from doorward.cli import checks, config
from doorward.cli.failure import failure_of
from doorward.cli.outcome import DONE, FAILED, Outcome
from doorward.cli.terminal import Terminal
from doorward.cli.tree import Verb, verb

app = verb()

_ORDER = {"ok": 0, "skipped": 1, "warning": 2, "failed": 3}


@app.command(cls=Verb)
def doctor(
    online: Annotated[bool, typer.Option("--online", help="Try each account's key at its provider; costs nothing.")] = False,
) -> Outcome:
    """Check settings, data, keys and network. Exit code 1 if something failed.

    \b
    doorward doctor
    doorward doctor --online --json
    """
    found = asyncio.run(_all(online=online))
    failed = sum(finding.state == "failed" for finding in found)
    data = {
        "ok": not failed,
        "checks": [{"group": f.group, "what": f.what, "state": f.state, "says": f.says, "fix": f.fix or None} for f in found],
    }
    verdict = f"{failed} of {len(found)} checks failed." if failed else f"All well: {len(found)} checks."
    return Outcome(data, "\n".join(_lines(found, Terminal.of(sys.argv[1:]))), verdict, FAILED if failed else DONE)


async def _all(*, online: bool) -> list[checks.Finding]:
    try:
        settings = config.read()
    except ValueError as error:
        failure = failure_of(error)
        return [checks.Finding("Settings", "settings", "failed", f"{failure.error}: {failure.why}", failure.fix)]
    well = checks.Finding("Settings", "settings", "ok", f"custody {settings.custody}, listening on {settings.host}:{settings.port}")
    return [well, *[finding async for finding in checks.findings(settings, online=online)]]


def _lines(found: list[checks.Finding], terminal: Terminal) -> list[str]:
    """By group; within a group, and among groups, what failed stands last, next to the prompt."""
    groups: dict[str, list[checks.Finding]] = {}
    for finding in found:
        groups.setdefault(finding.group, []).append(finding)
    lines: list[str] = []
    for name, members in sorted(groups.items(), key=lambda item: max(_ORDER[f.state] for f in item[1])):
        lines.append(name)
        for finding in sorted(members, key=lambda f: _ORDER[f.state]):
            style = {"ok": "ok", "failed": "error", "warning": "warning"}.get(finding.state, "dim")
            lines.append(f"  {terminal.paint(style, f'{finding.state:<8}')}{finding.what}: {finding.says}")
            if finding.fix:
                lines.append(f"            fix: {finding.fix}")
    return lines

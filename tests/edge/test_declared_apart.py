"""A route without a declaration stops the start, though its door is built later (I13)."""

from __future__ import annotations

import subprocess
import sys

BREAK = """
import asyncio
from doorward.edge import declared_apart
def forgotten():
    raise RuntimeError("undeclared")
{what}
asyncio.run(declared_apart.look_apart()())
print("goes on")
"""


def started(what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BREAK.format(what=what)], capture_output=True, text=True, timeout=60, check=False)


def test_what_is_declared_starts() -> None:
    done = started("")
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr


def test_an_undeclared_route_stops_the_start() -> None:
    undeclared = "from doorward.edge.control_plane import keys\nfrom starlette.routing import Route\n"
    undeclared += "keys.routes.routes.append(Route('/api/v1/forgotten', lambda request: None))"
    done = started(undeclared)
    assert done.returncode != 0
    assert "does not say who may use it" in done.stderr
    assert "goes on" not in done.stdout

"""The lines around a problem in the operator's file, as far as people may see them: never a value.

Fields that cannot hold a secret are shown, and variables by their names; everything else is one ellipsis.
"""

from __future__ import annotations

import re

AROUND = 2
"""Lines before and after a problem."""
_SHOWN = re.compile(
    r"\$\{\{[ \t]*[A-Za-z_][A-Za-z0-9_]*[ \t]*\}\}"
    r"|\b(?:apiVersion|kind|name|prices|retries|allowPrivate)[ \t]*:[ \t]*[A-Za-z0-9./_-]{0,64}(?![^\s,}#])"
    r"|\bbaseUrl[ \t]*:[ \t]*https?://[A-Za-z0-9._:-]+(?:/[A-Za-z0-9._/-]*)?(?![^\s,}#])"
    r"|\b[A-Za-z][A-Za-z0-9]{0,40}[ \t]*:(?=[ \t\r\n{\[]|\Z)"
    r"|^---[ \t]*$"
)


def around(raw: bytes, line: int) -> list[tuple[int, str]]:
    """(number, text without values) of the lines around `line`, which counts from 1."""
    lines = raw.decode("utf-8", "replace").split("\n")
    first = max(1, line - AROUND)
    return [(number, _harmless(lines[number - 1])) for number in range(first, min(len(lines), line + AROUND) + 1)]


def _harmless(line: str) -> str:
    shown = [match[0] for match in _SHOWN.finditer(line)]
    bare = re.sub(r"[\s{}\[\],\"'-]", "", _SHOWN.sub("", line))
    indent = re.match(r"[ \t]*(?:-[ \t]+)?", line)
    return (indent[0] if indent else "") + " ".join([*shown, *(["…"] if bare else [])])

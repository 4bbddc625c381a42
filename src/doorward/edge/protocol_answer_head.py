"""An answer's head as bytes: what an app says of it, looked through for whatever could split the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from doorward.core.exchange import Header

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TEXT = bytes([9, *range(32, 127), *range(128, 256)])
"""What a head's lines may hold between their ends."""
_MOST_NAMES = 1024
_fit_names: set[bytes] = set()
"""Names of headers that were looked at; the apps' own, so there are few."""


class Head(Struct, gc=False):
    """`chunked`: the body goes out in chunks; else it has `length_bytes`. `keeps`: the connection stays after it."""

    data: bytes
    chunked: bool
    length_bytes: int
    keeps: bool


def compose(status: int, headers: Sequence[Header], always: Sequence[bytes], *, to_head: bool, keeps: bool) -> Head:
    """`always`: lines that every answer has. `to_head`: the answer to a HEAD, which has no body.

    Raises `RuntimeError` for a name or a value that is not allowed there: the apps' fault, not the client's.
    """
    chunked = not to_head and status >= 200 and status not in (204, 304)
    length_bytes = 0
    lines = [STATUS_LINE[status], *always]
    for name, value in headers:
        if name not in _fit_names:
            _look_at(name)
        if name == b"content-length":
            chunked = False
            length_bytes = int(value)
        elif name == b"connection" and b"close" in value.lower():
            keeps = False
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    # All lines at once: what is no text in them must be their own ends.
    if b"".join(lines).translate(None, _TEXT) != b"\r\n" * len(lines):
        raise _unfit()
    if not keeps:
        lines.append(b"connection: close\r\n")
    if chunked:
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return Head(b"".join(lines), chunked, length_bytes, keeps)


def _look_at(name: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise _unfit()
    if len(_fit_names) < _MOST_NAMES:
        _fit_names.add(name)


def _unfit() -> RuntimeError:
    return RuntimeError("a header of the answer holds characters that are not allowed there")

"""The one place where an adapter's upstream path is made: checked parts, joined, and looked at again.

A path that any two programs between here and the API could read differently is refused: dot segments,
empty segments, backslashes, and slashes, dots or control characters hidden behind one or more layers of
percent-encoding. What passes goes on byte for byte.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from doorward.adapters.adapter import Adapter
from doorward.core.errors import BadRequest, NotFound

PREFIXES = (b"/v1/apis/http/", b"/api/v1/apis/http/")
"""For programs with a client key; for pages with a session."""

_PATH = re.compile(rb"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*")
_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_MOST_LAYERS = 8


def split(raw_path: bytes) -> tuple[str, bytes]:
    """`/v1/apis/http/NAME/rest` -> (`NAME`, `/rest`), both as they came. Raises `NotFound` where there is no name."""
    for prefix in PREFIXES:
        if raw_path.startswith(prefix):
            name, slash, rest = raw_path[len(prefix) :].partition(b"/")
            return name.decode("latin-1"), slash + rest
    raise NotFound("There is no such endpoint. An adapter's path is /v1/apis/http/NAME/PATH.", code="unknown_url")


def build(adapter: Adapter, path: bytes, query: bytes) -> bytes:
    """The target of the upstream request: base path, path, query. Raises `BadRequest`, and `NotFound` for a path not allowed."""
    refuse_odd(path)
    if not _QUERY.fullmatch(query):
        raise BadRequest("The query has characters that must be percent-encoded.")
    if adapter.paths and not any(path == prefix or path.startswith(prefix.rstrip(b"/") + b"/") for prefix in adapter.paths):
        raise NotFound("This adapter does not allow that path.", code="path_not_allowed")
    base = adapter.base_url.path
    whole = base + path or b"/"
    # What was built is what was meant: the prefix stands, and nothing in it begins a host.
    if not (whole == base or whole.startswith(base + b"/")) or whole.startswith(b"//") or b"?" in whole or b"#" in whole:
        raise BadRequest("The path leaves the adapter's base URL.")
    return whole + b"?" + query if query else whole


def refuse_odd(path: bytes) -> None:
    """Raises `BadRequest` for a path that is not plain."""
    if not _PATH.fullmatch(path):
        raise BadRequest("The path has characters that must be percent-encoded, or a % that begins no code.")
    if b"//" in path:
        raise BadRequest("The path has two slashes in a row.")
    # `..;x` is `..` to servers that take what follows a semicolon for a parameter.
    if b"/." in path and any(segment.partition(b";")[0] in (b".", b"..") for segment in path.split(b"/")):
        raise BadRequest("The path has a segment . or .., which adapters do not take.")
    if b"%" in path:
        _refuse_hidden(path)


def _refuse_hidden(path: bytes) -> None:
    """Decode until nothing changes: no layer may bring out a separator, a dot or a control character."""
    current = path
    for _ in range(_MOST_LAYERS):
        decoded = unquote_to_bytes(current)
        if decoded == current:
            break
        if any(decoded.count(mark) != current.count(mark) for mark in (b"/", b".", b"\\")) or _CONTROL.search(decoded):
            raise BadRequest("The path hides a slash, a backslash, a dot or a control character behind percent-encoding.")
        current = decoded
    else:
        raise BadRequest("The path is percent-encoded too many times over.")
    try:
        current.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path's percent-encoding is not UTF-8.") from None

"""A request's head as bytes, checked so that no value can become a second header or request."""

from __future__ import annotations

import re

from doorward.core.errors import BadRequest
from doorward.core.exchange import Header
from doorward.upstream.port import Origin, Outgoing

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(rb"[A-Za-z0-9._:\[\]%-]+")
_TARGET = re.compile(rb"/[\x21-\x7e]*")
_VALUE_BREAKS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_OURS = frozenset(b"host content-length transfer-encoding connection keep-alive proxy-connection te trailer upgrade expect".split())
"""Framing and hop-by-hop fields: the transport's own, dropped when a caller gives them."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BODY_METHODS = frozenset(("POST", "PUT", "PATCH"))

_MOST_STARTS = 64

_names: dict[bytes, bytes] = {}
"""Header name -> ``name: ``, or ``b""`` for a name that is ours; names repeat on every call."""


def is_token(name: bytes) -> bool:
    return _TOKEN.fullmatch(name) is not None


def is_framing(name: bytes) -> bool:
    """A field that only the transport writes (`name` in lower case)."""
    return name in _OURS


def is_field_value(value: bytes) -> bool:
    """No control character but tab: nothing that could end the line."""
    return _VALUE_BREAKS.search(value) is None


def _field(name: bytes) -> bytes:
    if not is_token(name):
        raise BadRequest("A header's name has characters that HTTP does not allow; remove that header.")
    start = b"" if name.lower() in _OURS else name + b": "
    if len(_names) < 1024:  # a client may invent names without end
        _names[name] = start
    return start


def host_of(origin: Origin) -> bytes:
    """The Host field: brackets around an IPv6 address, the port only where it is not the scheme's own."""
    name = f"[{origin.host}]" if ":" in origin.host else origin.host
    if origin.port != _DEFAULT_PORTS.get(origin.scheme):
        name = f"{name}:{origin.port}"
    encoded = name.encode("ascii", "replace")
    if not _HOST.fullmatch(encoded):
        raise BadRequest("The upstream's host name has characters that are not allowed; correct the provider's base URL.")
    return encoded


class Heads:
    """Writes the heads of one origin's requests. Their first lines repeat, and are checked once."""

    def __init__(self, host: bytes) -> None:
        self._host = host
        self._starts: dict[tuple[str, bytes], bytes] = {}
        """By method and target: the first line and Host."""

    def of(self, outgoing: Outgoing) -> bytes:
        """The whole head with its empty line. Raises `BadRequest` before anything is connected or sent."""
        method, body = outgoing.method, outgoing.body
        parts = [self._starts.get((method, outgoing.target)) or self._start(method, outgoing.target)]
        lines = 2
        plain = True
        for name, value in outgoing.headers:
            start = _names.get(name)
            if start is None:
                start = _field(name)
            if start:
                parts += (start, value, b"\r\n")
                lines += 1
                if start == b"accept-encoding: ":
                    plain = False
        if plain:
            parts.append(b"accept-encoding: identity\r\n")
            lines += 1
        data = body.data
        size = body.size if data is None else len(data)
        if size or method in _BODY_METHODS:
            parts.append(b"content-length: %d\r\n" % size)
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        # Three scans of the whole cost less than one look at each value: any CR or LF beyond our own line ends is foreign.
        if b"\0" in head or not head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n") == lines + 1:
            raise _broken(outgoing.headers)
        return head

    def _start(self, method: str, target: bytes) -> bytes:
        if not (method.isascii() and method.isalpha()):
            raise BadRequest("The request's method is not an HTTP method.")
        if not _TARGET.fullmatch(target):
            raise BadRequest("The path or query has characters that must be percent-encoded.")
        start = b"".join((method.encode(), b" ", target, b" HTTP/1.1\r\nhost: ", self._host, b"\r\n"))
        if len(self._starts) < _MOST_STARTS:  # a target may hold an id, and ids have no end
            self._starts[method, target] = start
        return start


def _broken(headers: list[Header]) -> BadRequest:
    for name, value in headers:
        if not is_field_value(value):
            shown = name.decode("ascii", "replace")
            return BadRequest(f"The value of header {shown} has a line break or another control character; remove it.")
    return BadRequest("The request's head has a line break where none may be.")

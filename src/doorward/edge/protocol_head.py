"""What a request's head must be, beyond what the parser itself refuses.

The parser (llhttp, strict) already refuses both lengths at once, doubled lengths, folded headers, spaces
in names, control characters in values, bare line feeds and unknown methods. Here is what it lets through and we do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorward.core.errors import BadRequest, DoorwardError, MethodNotAllowed
from doorward.core.exchange import Headers


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take of us. Times in seconds, sizes in bytes."""

    head_timeout_s: float = 10.0
    body_stall_s: float = 30.0
    slow_reader_s: float = 60.0
    keep_alive_s: float = 75.0
    max_head_bytes: int = 65536
    max_head_fields: int = 100
    max_pipelined: int = 16
    """Requests sent ahead of their answers on one connection."""
    linger_s: float = 1.0
    """After a refusal: how long what the client still sends is read and dropped, so that no reset overtakes the answer."""


_TARGET = re.compile(rb"/(?!/)[\x21\x22\x24-\x7e]*")  # origin form; no fragment, no control, no raw 8-bit
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._\-]{1,255})(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")


def refusal(method: str, target: bytes, version: str, headers: Headers) -> DoorwardError | None:
    """Why this head is not served, or `None`. Names are lower-case. Messages repeat nothing of the head."""
    if version not in ("1.1", "1.0"):
        return BadRequest("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if method == "CONNECT":
        return MethodNotAllowed("CONNECT is not served: this is no forward proxy.")
    if not _TARGET.fullmatch(target):
        return BadRequest("The request target must be a path that begins with one slash, percent-encoded, without a fragment.")
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                return BadRequest("The Host header is not a host name with an optional port.")
        elif name == b"content-length" and not _LENGTH.fullmatch(value):
            return BadRequest("The Content-Length header is not a number.")
        elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
            return BadRequest("The only transfer encoding taken is `chunked`, by HTTP/1.1.")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return BadRequest("A request needs exactly one Host header.")
    return None


def size_of(target: bytes, headers: Headers) -> int:
    """Bytes of a head, as far as they were the client's to choose."""
    return len(target) + sum([len(name) + len(value) + 4 for name, value in headers])


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The head again without its wish to change protocols (``h2c``), which a server may ignore (RFC 9110, 7.8)."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
    for name, value in headers:
        if name in (b"upgrade", b"http2-settings"):
            continue
        if name == b"connection":
            kept = [token for token in value.split(b",") if token.strip().lower() not in (b"upgrade", b"http2-settings")]
            if not kept:
                continue
            value = b",".join(kept)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join((*lines, b"\r\n"))


def wants_websocket(headers: Headers) -> bool:
    return any(name == b"upgrade" and b"websocket" in value.lower() for name, value in headers)

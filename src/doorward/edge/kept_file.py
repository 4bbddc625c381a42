"""A file that was read once: 304 for whoever has it already, its gzip form for whoever takes that, else the whole of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.core.errors import DoorwardError, MethodNotAllowed
from doorward.core.exchange import Header, Headers, header
from doorward.wire import envelope


@dataclass(frozen=True, slots=True)
class KeptFile:
    kind: bytes
    """Its `content-type`."""
    plain: bytes
    gzipped: bytes | None = None
    keep: bytes = b"no-cache"
    """Its `cache-control`: to be asked for again, unless the name changes with the bytes."""
    more: tuple[Header, ...] = ()
    """Headers of its own, on 304 too."""
    tag: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", b'"' + hashlib.sha256(self.plain).hexdigest()[:16].encode() + b'"')

    def answer(self, method: str, asked: Headers) -> tuple[int, list[Header], bytes]:
        """-> status, headers, body. Raises `MethodNotAllowed`."""
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{method} is not allowed here. Allowed: GET, HEAD.")
        headers: list[Header] = [*self.more, (b"etag", self.tag), (b"cache-control", self.keep)]
        if self.gzipped is not None:
            headers.append((b"vary", b"accept-encoding"))
        if header(asked, b"if-none-match") == self.tag:
            return 304, headers, b""
        body = self.plain
        if self.gzipped is not None and _takes_gzip(asked):
            body = self.gzipped
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"content-type", self.kind), (b"content-length", b"%d" % len(body))]
        return 200, headers, b"" if method == "HEAD" else body


async def serve(find: Callable[[str], KeptFile], scope: Mapping[str, Any], send: Any) -> None:
    """One request for the file that `find` knows by its path; what it raises is answered in shape."""
    request_id: str = scope["doorward.request_id"]
    try:
        status, headers, body = find(scope["path"]).answer(scope["method"], scope["headers"])
    except DoorwardError as error:
        status, (headers, body) = error.status, envelope.answer(error, request_id)
    else:
        headers.append((b"x-request-id", request_id.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _takes_gzip(headers: Headers) -> bool:
    """`gzip` named with a quality that is not zero."""
    for offer in (header(headers, b"accept-encoding") or b"").lower().split(b","):
        name, _, weight = offer.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False

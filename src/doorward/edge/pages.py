"""The pages: what `make` built from `ui/` into `ui_dist`, read once, sent with a policy that lets nothing else in.

A hashed asset never changes, so it is kept for a year; everything else is asked for again and answered with 304.
A page's address gets `index.html`; any other address under this door is a 404 in shape, never a page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.core.errors import DoorwardError, MethodNotAllowed, NotFound
from doorward.core.exchange import Header, Headers, header
from doorward.wire import envelope

BUILT = Path(__file__).parents[1] / "ui_dist"

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    b"font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_SAFE: tuple[Header, ...] = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
    ".woff": b"font/woff",
    ".ttf": b"font/ttf",
    ".json": b"application/json",
}
_PAGES = frozenset({"", "c", "signin", "setup", "invitation", "settings", "keys", "usage", "calls", "admin"})
"""First segments of the pages' addresses; `ui/src/routes.ts` and `ui/src/console/routes.ts` have the rest."""
_YEAR = b"public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    kind: bytes
    tag: bytes
    plain: bytes
    gzipped: bytes | None
    keep: bytes


class Pages:
    def __init__(self, built: Path = BUILT) -> None:
        self._files = {f"/{path.relative_to(built).as_posix()}": _read(path, built) for path in _served(built)}

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        request_id: str = scope["doorward.request_id"]
        try:
            status, headers, body = self._answer(scope)
        except DoorwardError as error:
            status, (headers, body) = error.status, envelope.answer(error, request_id)
        else:
            headers.append((b"x-request-id", request_id.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, scope: Mapping[str, Any]) -> tuple[int, list[Header], bytes]:
        file = self._found(scope["path"])
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{scope['method']} is not allowed here. Allowed: GET, HEAD.")
        headers: list[Header] = [*_SAFE, (b"etag", file.tag), (b"cache-control", file.keep), (b"vary", b"accept-encoding")]
        if header(scope["headers"], b"if-none-match") == file.tag:
            return 304, headers, b""
        body = file.plain
        if file.gzipped is not None and _takes_gzip(scope["headers"]):
            body = file.gzipped
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"content-type", file.kind), (b"content-length", b"%d" % len(body))]
        return 200, headers, b"" if scope["method"] == "HEAD" else body

    def _found(self, path: str) -> _File:
        file = self._files.get(path)
        if file is None and path.split("/")[1] in _PAGES:
            file = self._files.get("/index.html")
            if file is None:
                raise NotFound("The pages are not built. Run: make serve. The API is at /v1, the control plane at /api/v1.")
        if file is None:
            raise NotFound("There is nothing at this path. The API is at /v1, the control plane at /api/v1.", code="unknown_url")
        return file


def _served(built: Path) -> list[Path]:
    return [path for path in sorted(built.rglob("*")) if path.is_file() and path.suffix in _TYPES]


def _read(path: Path, built: Path) -> _File:
    plain = path.read_bytes()
    gzipped = path.with_name(path.name + ".gz")
    return _File(
        kind=_TYPES[path.suffix],
        tag=b'"' + hashlib.sha256(plain).hexdigest()[:16].encode() + b'"',
        plain=plain,
        gzipped=gzipped.read_bytes() if gzipped.is_file() else None,
        keep=_YEAR if path.parent == built / "assets" else b"no-cache",
    )


def _takes_gzip(headers: Headers) -> bool:
    """`gzip` named with a quality that is not zero."""
    for offer in (header(headers, b"accept-encoding") or b"").lower().split(b","):
        name, _, weight = offer.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False

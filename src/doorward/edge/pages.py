"""The pages: what `make` built from `ui/` into `ui_dist`, read once, sent with a policy that lets nothing else in.

A hashed asset never changes, so it is kept for a year; everything else is asked for again and answered with 304.
A page's address gets `index.html`; any other address under this door is a 404 in shape, never a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doorward.core.errors import NotFound
from doorward.core.exchange import Header
from doorward.edge.kept_file import KeptFile, serve

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


class Pages:
    def __init__(self, built: Path = BUILT) -> None:
        self._files = {f"/{path.relative_to(built).as_posix()}": _read(path, built) for path in _served(built)}

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await serve(self._found, scope, send)

    def _found(self, path: str) -> KeptFile:
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


def _read(path: Path, built: Path) -> KeptFile:
    gzipped = path.with_name(path.name + ".gz")
    return KeptFile(
        kind=_TYPES[path.suffix],
        plain=path.read_bytes(),
        gzipped=gzipped.read_bytes() if gzipped.is_file() else None,
        keep=_YEAR if path.parent == built / "assets" else b"no-cache",
        more=_SAFE,
    )

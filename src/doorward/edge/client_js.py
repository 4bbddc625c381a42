"""`/client.js`, an ES module with `proxyFetch` for pages and programs, and `/client.d.ts`, its types. Public: it holds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from doorward.core.errors import NotFound
from doorward.core.exchange import Header
from doorward.edge.kept_file import KeptFile, serve

_TYPES = {"client.js": b"text/javascript; charset=utf-8", "client.d.ts": b"text/plain; charset=utf-8"}
_OPEN: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-typescript-types", b"/client.d.ts"),
    # Modules are fetched with CORS wherever they are imported from; there is nothing secret in this one.
    (b"access-control-allow-origin", b"*"),
)


class ClientFiles:
    """Both files, read once."""

    def __init__(self) -> None:
        folder = resources.files("doorward") / "client"
        self._files = {f"/{name}": KeptFile(kind, (folder / name).read_bytes(), more=_OPEN) for name, kind in _TYPES.items()}

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await serve(self._found, scope, send)

    def _found(self, path: str) -> KeptFile:
        file = self._files.get(path)
        if file is None:
            raise NotFound("There is nothing at this path. The client is /client.js.", code="unknown_url")
        return file

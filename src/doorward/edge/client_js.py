"""`/client.js`, an ES module with `proxyFetch` for pages and programs, and `/client.d.ts`, its types. Public: it holds nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from doorward.core.errors import DoorwardError, MethodNotAllowed, NotFound
from doorward.core.exchange import Header, header
from doorward.wire import envelope

_TYPES = {"client.js": b"text/javascript; charset=utf-8", "client.d.ts": b"text/plain; charset=utf-8"}


class ClientFiles:
    """Both files, read once."""

    def __init__(self) -> None:
        folder = resources.files("doorward") / "client"
        self._files = {f"/{name}": ((folder / name).read_bytes(), kind) for name, kind in _TYPES.items()}

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
        found = self._files.get(scope["path"])
        if found is None:
            raise NotFound("There is nothing at this path. The client is /client.js.", code="unknown_url")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{scope['method']} is not allowed here. Allowed: GET, HEAD.")
        body, kind = found
        tag = b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'
        headers: list[Header] = [
            (b"content-type", kind),
            (b"etag", tag),
            (b"cache-control", b"no-cache"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-typescript-types", b"/client.d.ts"),
            # Modules are fetched with CORS wherever they are imported from; there is nothing secret in this one.
            (b"access-control-allow-origin", b"*"),
        ]
        if header(scope["headers"], b"if-none-match") == tag:
            return 304, headers, b""
        headers.append((b"content-length", b"%d" % len(body)))
        return 200, headers, b"" if scope["method"] == "HEAD" else body

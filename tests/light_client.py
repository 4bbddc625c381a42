"""A client that costs hardly anything, for tests and benchmarks in which many clients share the door's core."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class LightClient:
    """One kept-alive connection; answers with a Content-Length only."""

    def __init__(self, url: str, key: str, body: Any) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 80)
        data = json.dumps(body).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        self._request = head.encode() + data

    async def __aenter__(self) -> LightClient:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def ask(self) -> tuple[int, dict[str, str], bytes]:
        """-> status, headers (lower-case names), body."""
        self._writer.write(self._request)
        raw = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = raw.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return int(status.split(" ")[1]), headers, body

"""One kept-alive connection that reads whole answers and event streams, and can leave in the middle of one. Cheap."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Said:
    """`status` is 0 when no whole answer came, or the caller left. `events`: of text, as far as they were read."""

    status: int
    body: bytes
    events: int = 0


class RawClient:
    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = f"host: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def post(self, path: str, call_id: str, content_type: str, body: bytes, *, leave_after: int | None = None) -> Said:
        """`leave_after`: reset the connection once so many events of text have come."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place, limit=1 << 20)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\n{self._head}x-request-id: {call_id}\r\ncontent-type: {content_type}\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        try:
            return await self._answer(reader, leave_after)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return Said(0, b"")

    async def _answer(self, reader: asyncio.StreamReader, leave_after: int | None) -> Said:
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        code = int(status.split(" ")[1])
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
                if leave_after is not None and (seen := body.count(b'"delta":{"content":"')) >= leave_after:
                    self.close()
                    return Said(0, body, seen)
            await reader.readexactly(2)
        if headers.get("connection") == "close":
            self.close()
        return Said(code, body)

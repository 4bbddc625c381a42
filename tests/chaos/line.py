"""One caller's connection, as light as can be: many hundred of them and their upstream share one core with nobody else's work.

It says of each call what `tests.chaos.load.ask` says of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.said import Said, code_of
from tests.money.gateways import ASK, PATH

_END = b"0\r\n\r\n"


class Line:
    """Kept alive while the door keeps it, and made anew when it has closed it. One call at a time."""

    def __init__(self, url: str, key: str, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = (
            f"POST {PATH} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        )
        self._timeout_s = timeout_s
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()

    def _hang_up(self) -> None:
        ends, self._ends = self._ends, None
        if ends is not None:
            ends[1].transport.abort()

    async def ask(self, call_id: str, *, streamed: bool = False, **changes: Any) -> Said:
        began = time.monotonic()
        status, why, held = None, "", bytearray()
        if self._ends is not None and self._ends[0].at_eof():
            self._hang_up()
        try:
            if self._ends is None:
                self._ends = await asyncio.open_connection(*self._place)
        except OSError:
            return Said(call_id, None, "refused", time.monotonic() - began, streamed, "", time.monotonic())
        reader, writer = self._ends
        body = json.dumps({**ASK, "stream": streamed, **changes}).encode()
        writer.write(f"{self._head}x-request-id: {call_id}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        try:
            async with asyncio.timeout(self._timeout_s):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                status = int(head.split(b" ", 2)[1])
                chunked = b"transfer-encoding: chunked" in head
                left = 0 if chunked else int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                while not (held.endswith(_END) if chunked else len(held) >= left):
                    piece = await reader.read(65536)
                    if not piece:
                        raise EOFError
                    held += piece
            code = code_of(status, bytes(held), streamed)
            if b"connection: close" in head:
                self._hang_up()
        except (OSError, EOFError, TimeoutError) as cause:
            code, why = "lost", f"{type(cause).__name__} after {len(held)} bytes"
            self._hang_up()
        ended_s = time.monotonic()
        return Said(call_id, status, code, ended_s - began, streamed, why, ended_s)


async def one_call(url: str, key: str, call_id: str, **changes: Any) -> Said:
    async with Line(url, key) as line:
        return await line.ask(call_id, **changes)

"""An MCP server over HTTP ("streamable HTTP"): each request is a POST; the answer is JSON, or an event in a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from doorward.apps.mcp_line import ANSWER_S, MOST_BYTES, McpFailed, result_of
from doorward.core.errors import BadRequest
from doorward.core.exchange import Header, MemoryBody, header
from doorward.upstream.port import Incoming, Origin, Outgoing, Transport, TransportError
from doorward.wire.sse import EventTooLarge, Splitter, data_of


class HttpLine:
    def __init__(self, url: str, headers: Mapping[str, str], transport: Transport, *, allow_private: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise BadRequest("An MCP server's url is https://host/path.", param="mcp_servers")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._origin = Origin(parts.scheme, parts.hostname, port, allow_private)
        self._target = (parts.path or "/").encode("ascii") + (b"?" + parts.query.encode("ascii") if parts.query else b"")
        self._given: list[Header] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._transport = transport
        self._session: bytes | None = None
        self._version: bytes | None = None
        self._greeted = False
        self._number = 0

    async def open(self) -> bool:
        first, self._greeted = not self._greeted, True
        return first

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        incoming = await self._post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            if incoming.status >= 400:
                self._greeted = False  # its session may be over: greet it anew the next time
                raise McpFailed(f"The MCP server answered {incoming.status}.")
            if (session := header(incoming.headers, b"mcp-session-id")) is not None:
                self._session = session
            async for message in _messages(incoming):
                if message.get("id") == number and "method" not in message:
                    result = result_of(message)
                    if isinstance(version := result.get("protocolVersion"), str):
                        self._version = version.encode("ascii", "replace")
                    return result
        except (TransportError, EventTooLarge, msgspec.DecodeError) as error:
            raise McpFailed("The MCP server's answer broke off.") from error
        finally:
            incoming.close()
        raise McpFailed("The MCP server did not answer the request.")

    async def notify(self, method: str) -> None:
        (await self._post({"jsonrpc": "2.0", "method": method})).close()

    async def close(self) -> None:
        self._greeted, self._session = False, None

    async def _post(self, message: dict[str, Any]) -> Incoming:
        headers: list[Header] = [
            *self._given,
            (b"content-type", b"application/json"),
            (b"accept", b"application/json, text/event-stream"),
            (b"user-agent", b"doorward"),
        ]
        if self._session is not None:
            headers.append((b"mcp-session-id", self._session))
        if self._version is not None:
            headers.append((b"mcp-protocol-version", self._version))
        body = MemoryBody(msgspec.json.encode(message))
        try:
            return await self._transport.open(Outgoing(self._origin, "POST", self._target, headers, body, head_s=ANSWER_S))
        except TransportError as error:
            self._greeted = False
            raise McpFailed("The MCP server cannot be reached.") from error


async def _messages(incoming: Incoming) -> AsyncIterator[dict[str, Any]]:
    kind = header(incoming.headers, b"content-type") or b""
    if not kind.startswith(b"text/event-stream"):
        content = bytearray()
        while chunk := await incoming.read(ANSWER_S):
            content += chunk
            if len(content) > MOST_BYTES:
                raise McpFailed("The MCP server's answer is too large.")
        message = msgspec.json.decode(bytes(content)) if content else {}
        if isinstance(message, dict):
            yield message
        return
    splitter = Splitter(MOST_BYTES)
    while chunk := await incoming.read(ANSWER_S):
        for event in splitter.feed(chunk):
            data = data_of(event)
            message = msgspec.json.decode(data) if data else None
            if isinstance(message, dict):
                yield message

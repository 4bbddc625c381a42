"""Tools of MCP servers, which the operator names in the settings: processes (stdio) and HTTP addresses.

A process gets a clean environment: a fixed PATH and the variables named for it, none of ours. HTTP goes out by the
house's one transport. Servers are started at the first use; one that has died is started again at the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from doorward.apps.mcp_http import HttpLine
from doorward.apps.mcp_line import McpFailed
from doorward.apps.mcp_stdio import StdioLine
from doorward.apps.tool import Tool, ToolFailed
from doorward.core.errors import BadRequest
from doorward.upstream.port import Transport

PROTOCOL = "2025-06-18"
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


class Line(Protocol):
    """JSON-RPC to one server. Raises `McpFailed`."""

    async def open(self) -> bool:
        """Connect if that is needed -> whether it is a new connection, to be greeted."""

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]: ...

    async def notify(self, method: str) -> None: ...

    async def close(self) -> None: ...


class McpServer:
    def __init__(self, name: str, line: Line, *, approve: bool = False) -> None:
        self.name = name
        self._line = line
        self._approve = approve
        self._tools: list[Tool] | None = None

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any], transport: Transport, *, allow_private: bool = False) -> McpServer:
        """From the setting. Raises `BadRequest` that names the server."""
        approve = given.get("approve") is True
        if isinstance(command := given.get("command"), str):
            args = [str(one) for one in given.get("args", [])]
            env = {str(key): str(value) for key, value in dict(given.get("env", {})).items()}
            return cls(name, StdioLine([command, *args], env), approve=approve)
        if isinstance(url := given.get("url"), str):
            headers = {str(key): str(value) for key, value in dict(given.get("headers", {})).items()}
            return cls(name, HttpLine(url, headers, transport, allow_private=allow_private), approve=approve)
        raise BadRequest(f"The MCP server {name!r} needs a command or a url.", param="mcp_servers")

    async def tools(self) -> list[Tool]:
        """Raises `McpFailed`."""
        await self._greet()
        if self._tools is None:
            listed: list[Any] = []
            cursor: str | None = None
            for _ in range(20):
                page = await self._line.request("tools/list", {"cursor": cursor} if cursor else {})
                listed += page.get("tools", [])
                cursor = page.get("nextCursor")
                if not cursor:
                    break
            self._tools = [self._tool(one) for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]
        return self._tools

    async def close(self) -> None:
        await self._line.close()

    async def _greet(self) -> None:
        if await self._line.open():
            self._tools = None
            about = {"name": "doorward", "version": "1"}
            await self._line.request("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": about})
            await self._line.notify("notifications/initialized")

    def _tool(self, said: dict[str, Any]) -> Tool:
        theirs = said["name"]
        schema = said.get("inputSchema")

        async def call(given: dict[str, Any]) -> str:
            try:
                await self._greet()
                return _result(await self._line.request("tools/call", {"name": theirs, "arguments": given}))
            except McpFailed as failed:
                raise ToolFailed(str(failed)) from failed

        return Tool(
            _UNFIT.sub("_", f"{self.name}__{theirs}")[:64],
            str(said.get("description") or "")[:2000],
            schema if isinstance(schema, dict) else {"type": "object", "properties": {}},
            call,
            self._approve,
        )


def _result(said: dict[str, Any]) -> str:
    content = said.get("content")
    texts = [
        one.get("text") if one.get("type") == "text" else f"[{one.get('type')}]" for one in content or [] if isinstance(one, dict)
    ]
    text = "\n".join(str(one) for one in texts)
    if said.get("isError") is True:
        raise ToolFailed(text or "The tool failed without a word.")
    return text

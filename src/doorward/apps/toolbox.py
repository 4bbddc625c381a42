"""The tools that agents of this process may use: the operator's functions, MCP servers, and Doorward's own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from doorward.apps.ask import Ask
from doorward.apps.cost_cap import is_spent
from doorward.apps.mcp import McpServer
from doorward.apps.mcp_line import McpFailed
from doorward.apps.search import Searcher
from doorward.apps.tool import Tool, ToolFailed, tool_of
from doorward.core.errors import NotFound

_log = logging.getLogger("doorward.agents")


class Toolbox:
    def __init__(
        self, own: Sequence[Tool], servers: Sequence[McpServer], searcher: Searcher, most_chars: int, cap_nanos: int | None
    ) -> None:
        self._own = list(own)
        self._servers = list(servers)
        self._searcher = searcher
        self._most_chars = most_chars
        self._cap_nanos = cap_nanos

    async def all(self, ask: Ask, owner: str) -> dict[str, Tool]:
        """By name. A server that cannot be reached is left out, and said so in the log."""
        tools = [*self._own, self._search(ask, owner), *self._fetch(ask)]
        for server in self._servers:
            try:
                tools += await server.tools()
            except McpFailed as failed:
                _log.warning("the MCP server %s is left out: %s", server.name, failed)
        return {tool.name: tool for tool in tools}

    async def chosen(self, ask: Ask, owner: str, names: Sequence[str] | None) -> dict[str, Tool]:
        """`None`: all of them. Raises `NotFound` for a name that is not there."""
        every = await self.all(ask, owner)
        for name in names or ():
            if name not in every:
                raise NotFound(
                    f"There is no tool {name[:64]}. GET /apps/agent/tools lists them.", param="tools", code="unknown_tool"
                )
        return every if names is None else {name: every[name] for name in names}

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    def _search(self, ask: Ask, owner: str) -> Tool:
        """The caller's own collections, and nobody else's."""

        async def search_collection(collection: str, query: str, top_k: int = 5) -> str:
            """Search a stored collection of documents for what is nearest in meaning to a query.

            collection: The collection's name.
            query: What to look for, in words.
            top_k: How many documents to return, 20 at most.
            """
            found = await self._searcher.find(owner, collection)
            hits = await self._searcher.search(ask, found, query, max(1, min(20, top_k)))
            rows = [{"id": hit.document.id, "score": round(hit.score, 4), "text": hit.document.text[:4000]} for hit in hits]
            return msgspec.json.encode(rows).decode()

        return replace(tool_of(search_collection), built_in=True)

    def _fetch(self, ask: Ask) -> list[Tool]:
        """Calls of the adapters that the caller may use, in the caller's name; none where there is none."""
        usable = ask.adapters()
        if not usable:
            return []

        async def fetch_through_adapter(
            adapter: str,
            path: str,
            method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET",
            body: str = "",
        ) -> str:
            """Call an API that this place has an adapter for, and read the answer.

            adapter: The adapter's name.
            path: The path below the API's base URL with its query, percent-encoded, such as /items?page=2.
            method: GET unless another one is listed for the adapter.
            body: JSON to send with it; empty for none.
            """
            room = max(200, self._most_chars - 500)  # beside the text stand its status, its kind and where it leads
            cap = self._cap_nanos
            if is_spent(ask, cap):
                raise ToolFailed("This request has cost what it may: nothing more is fetched.")
            found = await ask.fetch(adapter, method, path, body, 4 * room, app="agent", priced=cap is not None)
            head = f"{found.status} {found.content_type[:100]}" + (f"\nlocation: {found.location[:300]}" if found.location else "")
            is_cut = found.is_cut or len(found.text) > room
            told = f"{head}\n\n{found.text[:room]}" + ("\n[cut: the answer is longer]" if is_cut else "")
            if found.status >= 400:
                raise ToolFailed(told)
            return told

        tool = tool_of(fetch_through_adapter)
        listed = "; ".join(f"{name} ({', '.join(methods)})" for name, methods in sorted(usable.items()))
        return [replace(tool, description=f"{tool.description} Adapters: {listed}.")]

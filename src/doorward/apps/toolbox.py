"""The tools that agents of this process may use: the operator's functions, MCP servers, and Doorward's own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from doorward.apps.ask import Ask
from doorward.apps.mcp import McpServer
from doorward.apps.mcp_line import McpFailed
from doorward.apps.search import Searcher
from doorward.apps.tool import Tool, tool_of
from doorward.core.errors import NotFound

_log = logging.getLogger("doorward.agents")


class Toolbox:
    def __init__(self, own: Sequence[Tool], servers: Sequence[McpServer], searcher: Searcher) -> None:
        self._own = list(own)
        self._servers = list(servers)
        self._searcher = searcher

    async def all(self, ask: Ask, owner: str) -> dict[str, Tool]:
        """By name. A server that cannot be reached is left out, and said so in the log."""
        tools = [*self._own, self._search(ask, owner)]
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

        return tool_of(search_collection)

"""A real MCP server, made with the reference library: `python mcp_tools.py stdio`, or `http PORT`."""

from __future__ import annotations

import os
import sys

from mcp.server import MCPServer

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def environment() -> str:
    """Names of the variables that this process was given."""
    return ",".join(sorted(os.environ))


@server.tool()
def die() -> str:
    """End this process."""
    os._exit(3)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))

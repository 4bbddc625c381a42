"""What both kinds of lines to an MCP server share: the failure, and how an answer is read."""

from __future__ import annotations

from typing import Any

MOST_BYTES = 8 * 2**20
"""Of one message."""
ANSWER_S = 60.0


class McpFailed(Exception):
    """The server died, refused, or does not speak the protocol. The text is fit for the model to read."""


def result_of(message: dict[str, Any]) -> dict[str, Any]:
    """The result of a JSON-RPC answer. Raises `McpFailed` for an error."""
    error = message.get("error")
    if isinstance(error, dict):
        raise McpFailed(f"The MCP server answered: {str(error.get('message', 'an error'))[:500]}")
    result = message.get("result")
    return result if isinstance(result, dict) else {}

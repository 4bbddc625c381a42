"""The tool calls of a model's turn: which of them can be answered, which are still open, and what one of them returns."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from doorward.apps.clean import clean
from doorward.apps.tool import Tool, ToolFailed
from doorward.core.errors import DoorwardError

ToolCall = dict[str, Any]
"""As OpenAI's chat has it: `{"id", "type": "function", "function": {"name", "arguments"}}`, arguments a JSON text."""


def fit_calls(said: Any) -> list[ToolCall]:
    """What the model asked for, as far as it can be answered: with an id and a name each."""
    found: list[ToolCall] = []
    for number, call in enumerate(said if isinstance(said, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        named = {"name": function["name"], "arguments": str(function.get("arguments") or "{}")}
        found.append({"id": str(call.get("id") or f"call_{number}"), "type": "function", "function": named})
    return found


def open_calls(messages: list[dict[str, Any]]) -> list[ToolCall]:
    """Tool calls of the last turn that have no result yet."""
    last = messages[-1]
    calls: list[ToolCall] = last.get("tool_calls", []) if last.get("role") == "assistant" else []
    return calls


async def result_of(call: ToolCall, tool: Tool | None, most_s: float, most_chars: int) -> tuple[str, bool]:
    """-> (what the model is told, whether it is an error). Never raises for what a tool does."""
    if tool is None:
        return f"There is no tool {call['function']['name'][:64]}.", True
    try:
        given = msgspec.json.decode(call["function"]["arguments"] or "{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "The arguments are not valid JSON.", True
    if not isinstance(given, dict):
        return "The arguments must be a JSON object.", True
    try:
        async with asyncio.timeout(most_s):
            return _bounded(await tool.call(given), most_chars), False
    except TimeoutError:
        return f"The tool took longer than {most_s:g} s.", True
    except ToolFailed as failed:
        return _bounded(str(failed), most_chars), True
    except DoorwardError as error:
        return _bounded(error.message, most_chars), True
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is a result for the model, by its kind alone
        return f"The tool failed: {type(error).__name__}.", True


def _bounded(text: str, most_chars: int) -> str:
    text = clean(text)
    return text if len(text) <= most_chars else f"{text[:most_chars]}\n[cut: {len(text):,} characters in all]"

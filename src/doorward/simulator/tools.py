"""Which tool is called, and with what: chat completions and responses alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_text
from doorward.simulator.answers import Turn, is_greeting, keywords, question
from doorward.simulator.call import Json, counted_as, invalid
from doorward.simulator.limits import Cut, cut
from doorward.simulator.schema import instance

MOST_CALLS = 4


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Json
    custom: bool
    """Takes free text instead of JSON arguments."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str
    """JSON, or free text for a custom tool."""
    custom: bool


def read_tools(listed: object) -> list[Tool]:
    """Both spellings: chat's ``{"type", "function": {...}}`` and responses' flat one. Built-in tools are passed over."""
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise BadRequest("Invalid type for 'tools': expected an array.", param="tools", code="invalid_type")
    tools: list[Tool] = []
    for at, entry in enumerate(listed):
        kind = entry.get("type") if isinstance(entry, dict) else None
        if kind is None:
            missing = f"Missing required parameter: 'tools[{at}].type'."
            raise BadRequest(missing, param=f"tools[{at}].type", code="missing_required_parameter")
        if kind not in ("function", "custom"):
            continue
        inner = entry.get(kind) if isinstance(entry.get(kind), dict) else entry
        name = inner.get("name")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
            message = f"Invalid 'tools[{at}].{kind}.name': letters, digits, '_' and '-' only, at most 128."
            raise BadRequest(message, param=f"tools[{at}].{kind}.name", code="invalid_value")
        parameters = inner.get("parameters") or {"type": "object", "properties": {}}
        description = inner.get("description")
        tools.append(Tool(name, description if isinstance(description, str) else "", parameters, kind == "custom"))
    return tools


def choose(body: Json, turns: Sequence[Turn]) -> list[ToolCall]:
    """The calls of the next turn; none when text should follow.

    A named tool and ``required`` are obeyed always. By themselves tools are called once: as long
    as no tool has answered since the user spoke.
    """
    tools = read_tools(body.get("tools"))
    choice = body.get("tool_choice")
    if choice is None:
        choice = "auto"
    tools, choice = _allowed(tools, choice)
    asked = question(turns)
    parallel = body.get("parallel_tool_calls") is not False
    if isinstance(choice, dict):
        named = choice.get(choice.get("type", "function"))
        name = named.get("name") if isinstance(named, dict) else choice.get("name")
        chosen = [tool for tool in tools if tool.name == name]
        if not chosen:
            message = f"Invalid 'tool_choice': no function named {str(name)[:64]!r} is among 'tools'."
            raise BadRequest(message, param="tool_choice", code="invalid_value")
        return [_called(chosen[0], asked)]
    if choice not in ("auto", "none", "required"):
        raise invalid("tool_choice", "send none, auto, required, or a tool.")
    if choice == "required" and not tools:
        raise BadRequest("'tool_choice' is 'required', but 'tools' is empty.", param="tool_choice", code="invalid_value")
    if choice == "none" or not tools or (choice == "auto" and (_answered(turns) or is_greeting(asked))):
        return []
    return _calls(tools, asked, parallel)


def _allowed(tools: list[Tool], choice: Any) -> tuple[list[Tool], Any]:
    """`allowed_tools` narrows the list and sets auto or required."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return tools, choice
    inner: Json = choice["allowed_tools"] if isinstance(choice.get("allowed_tools"), dict) else choice
    names = {tool.name for tool in read_tools(inner.get("tools"))}
    return [tool for tool in tools if tool.name in names], inner.get("mode", "auto")


def _answered(turns: Sequence[Turn]) -> bool:
    for turn in reversed(turns):
        if turn.role == "tool":
            return True
        if turn.role == "user":
            return False
    return False


def _calls(tools: list[Tool], asked: str, parallel: bool) -> list[ToolCall]:
    """The tool that the words speak of; several tools, or one for several places, if it may be several."""
    words = {_stem(word) for word in keywords(asked)}

    def fit(tool: Tool) -> float:
        name = {_stem(word) for word in re.split(r"[_-]|(?<=[a-z])(?=[A-Z])", tool.name)}
        return 2 * len(words & name) + len(words & {_stem(word) for word in keywords(tool.description)})

    ranked = sorted(tools, key=fit, reverse=True)
    if not parallel:
        return [_called(ranked[0], asked)]
    fitting = [tool for tool in ranked if fit(tool) >= 2][:MOST_CALLS] or ranked[:1]
    names = _listed(asked)
    if len(fitting) == 1 and len(names) > 1:
        return [_called(fitting[0], _about(name, asked, names)) for name in names[:MOST_CALLS]]
    return [_called(tool, asked) for tool in fitting]


def _listed(asked: str) -> list[str]:
    """`Paris, London and Rome` -> the three names."""
    name = r"[A-Z][\w-]*(?: [A-Z][\w-]*)*"
    found = re.search(rf"({name}(?:, {name})*),? (?:and|or) ({name})", asked[:1000])
    return [one for part in found.groups() for one in part.split(", ")] if found else []


def _about(name: str, asked: str, names: list[str]) -> str:
    """The question with only one of its names."""
    for other in names:
        if other != name:
            asked = asked.replace(other, "")
    return asked


def _called(tool: Tool, asked: str) -> ToolCall:
    if tool.custom:
        return ToolCall(tool.name, asked, custom=True)
    arguments = instance(tool.parameters, asked, f"tools.{tool.name}.parameters")
    return ToolCall(tool.name, msgspec.json.encode(arguments).decode(), custom=False)


def written(call: ToolCall, model: str) -> Cut:
    """The arguments as they are streamed; the name's tokens are billed with the first piece."""
    arguments = cut(call.arguments, model)
    named = count_text(call.name, counted_as(model)).tokens
    first, *rest = arguments.pieces or (("", 0),)
    return Cut(arguments.text, ((first[0], first[1] + named), *rest), arguments.tokens + named, "stop")


def _stem(word: str) -> str:
    word = word.lower()
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word

"""A tool that an agent may call: a name, a schema, and a coroutine. Made of a Python function's signature and docstring.

    def create_task(title: str, description: str, priority: Literal["low", "high"] = "low") -> str:
        '''Put a task on the list.

        title: Starts with a verb.
        '''

Only functions that the operator named are ever called; there is no shell, and nothing is evaluated.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from doorward.core.errors import BadRequest

F = TypeVar("F", bound=Callable[..., Any])
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DESCRIBED = re.compile(r"^\s*:?(?:param )?(\w+)(?: \([^)]*\))?:\s+(\S.*)$")


class ToolFailed(Exception):
    """What a tool says instead of a result; the model reads it and may try otherwise."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of an object."""
    call: Callable[[dict[str, Any]], Awaitable[str]]
    """Raises `ToolFailed`; whatever else it raises is reported by its kind alone."""
    approve: bool = False
    """A person is asked before each call."""
    built_in: bool = False
    """Doorward's own and always there: it alone is no reason to offer people a choice."""

    def shown(self) -> dict[str, Any]:
        """As a chat request lists it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


def ask_first(function: F) -> F:
    """Mark a function: a person approves each of its calls."""
    function.__ask_first__ = True  # type: ignore[attr-defined]  # functions take attributes
    return function


def tool_of(function: Callable[..., Any], *, approve: bool | None = None) -> Tool:
    """Raises `BadRequest` for a function that cannot be described."""
    name = getattr(function, "__name__", "")
    if not NAME.fullmatch(name):
        raise BadRequest(f"{function!r} cannot be a tool: give it a name of letters, digits and underscores.", param="agent_tools")
    text, described = _docstring(function)
    arguments = _arguments(function, described)
    schema = arguments.model_json_schema()
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)

    async def call(given: dict[str, Any]) -> str:
        try:
            fit = arguments.model_validate(given)
        except ValidationError as wrong:
            first = wrong.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "arguments"
            raise ToolFailed(f"{place}: {first['msg']}") from None
        values = {name: getattr(fit, name) for name in type(fit).model_fields}
        if inspect.iscoroutinefunction(function):
            result = await function(**values)
        else:
            result = await asyncio.to_thread(function, **values)
        return as_text(result)

    wanted = getattr(function, "__ask_first__", False) if approve is None else approve
    return Tool(name, text, schema, call, wanted)


def tool_named(place: str) -> Tool:
    """`package.module:function` -> its tool. Raises `BadRequest` that names the place."""
    module, colon, name = place.partition(":")
    if not colon:
        raise BadRequest(f"A tool is named package.module:function, not {place!r}.", param="agent_tools")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError) as missing:
        raise BadRequest(f"The tool {place!r} cannot be loaded: {missing}.", param="agent_tools") from missing
    return tool_of(function)


def as_text(result: object) -> str:
    """Texts as they are, anything else as JSON."""
    if isinstance(result, str):
        return result
    try:
        return msgspec.json.encode(result).decode()
    except (TypeError, UnicodeEncodeError):
        return str(result)


def _arguments(function: Callable[..., Any], described: dict[str, str]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise BadRequest(f"{function.__name__} cannot be a tool: {name} has no name to be given by.", param="agent_tools")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, str), Field(default, description=described.get(name)))
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid", hide_input_in_errors=True), **fields)


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """-> its first paragraph, and what is said of each parameter (`name: text`)."""
    text = inspect.getdoc(function) or ""
    known = set(inspect.signature(function).parameters)
    described = {found[1]: found[2] for line in text.splitlines() if (found := _DESCRIBED.match(line)) and found[1] in known}
    first = text.split("\n\n", 1)[0]
    return " ".join(line.strip() for line in first.splitlines() if not _says(line, known)), described


def _says(line: str, known: set[str]) -> bool:
    found = _DESCRIBED.match(line)
    return found is not None and found[1] in known

"""A request's fields -> the SDK's arguments. What was not set stays off the wire."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

Extra = Mapping[str, object]
"""Fields that have no name here yet. They go out as they are, `None` as ``null``."""


def arguments(request: Any) -> dict[str, Any]:
    """A request dataclass as keyword arguments: `None` is left out, parts become JSON, `extra` becomes `extra_body`."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(request):
        value = getattr(request, field.name)
        if field.name == "extra":
            if value:
                found["extra_body"] = dict(value)
        elif value is not None:
            found[field.name] = plain(value)
    return found


def plain(value: Any) -> Any:
    """Dataclasses (messages and parts) -> JSON's kinds, all the way down; files and bytes are left alone."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        to_json = getattr(value, "to_json", None)
        if to_json is not None:
            return plain(to_json())
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | tuple):
        return [plain(item) for item in value]
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) or isinstance(item, Mapping) for item in value):
        return [plain(item) for item in value]
    return value

"""Two JSON schemas that hold at once, as one: what `allOf`, `$ref` with siblings and `anyOf` with siblings mean."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def merged(one: Schema, other: Schema) -> Schema:
    """Both at once, where that is plain: properties and required together, the tighter bound."""
    out = dict(one)
    for key, value in other.items():
        mine = out.get(key)
        if key == "properties" and isinstance(mine, dict) and isinstance(value, dict):
            out[key] = {**mine, **{k: merged(mine[k], v) if isinstance(mine.get(k), dict) else v for k, v in value.items()}}
        elif key == "required" and isinstance(mine, list):
            out[key] = [*mine, *(name for name in value if name not in mine)]
        elif key == "enum" and isinstance(mine, list):
            out[key] = [choice for choice in mine if choice in value]
        elif key.startswith(("min", "exclusiveMin")) and isinstance(mine, int | float):
            out[key] = max(mine, value)
        elif key.startswith(("max", "exclusiveMax")) and isinstance(mine, int | float):
            out[key] = min(mine, value)
        elif key in out and key in ("type", "additionalProperties", "description", "title"):
            continue
        else:
            out[key] = value
    return out

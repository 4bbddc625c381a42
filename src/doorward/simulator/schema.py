"""A value that is valid against a JSON schema, and says something about a text.

An enum gives the value whose words occur in the text, a string property a name, date or quotation
found there. What cannot be met (an endless recursion, a contradiction) is a `BadRequest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.core.errors import BadRequest
from doorward.simulator.merging import merged
from doorward.simulator.patterns import wild_pattern
from doorward.simulator.strings import number_in, text_value

Schema = dict[str, Any]
DEEP, TOO_DEEP = 5, 60
MAX_VALUES, MAX_TEXT_CHARS = 5000, 20_000
"""Below `DEEP` levels only required properties are made; `TOO_DEEP` is taken for endless."""


def instance(schema: object, text: str, param: str) -> Any:
    """A valid value. Raises `BadRequest` naming `param` if the schema is wrong or cannot be met."""
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise _refused(param, "it must be an object")
    try:
        return _checked(schema, text[:MAX_TEXT_CHARS], param)
    except (RecursionError, ArithmeticError, ValueError, re.error):
        # Numbers past a float's range, nesting past the stack: no provider takes such a schema either.
        raise _refused(param, "it is too deep, or its numbers are out of range") from None


def _checked(schema: Schema, text: str, param: str) -> Any:
    # jsonschema takes 60 ms to import; only schemas need it.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _refused(param, f"at {_place(error.absolute_path)}: {error.message[:200]}") from None
    if (wild := wild_pattern(schema)) is not None:
        raise _refused(param, f"the pattern {wild[:60]!r} may take for ever: write it without repeats inside repeats")
    value = _Maker(schema, text, param).make(schema, "", 0)
    try:
        # An empty registry: by default a reference to another host would be fetched from there.
        problem = next(iter(Draft202012Validator(schema, registry=Registry()).iter_errors(value)), None)
    except Unresolvable:
        raise _refused(param, "it refers to something that is not in it") from None
    if problem is not None:
        raise _refused(
            param, f"the simulator found no value for {_place(problem.absolute_path)}; loosen it, or send it to a real model"
        )
    return value


def _place(path: Iterable[object]) -> str:
    return ".".join(map(str, path)) or "its top"


def _refused(param: str, why: str) -> BadRequest:
    return BadRequest(f"Invalid schema in '{param}': {why}.", param=param, code="invalid_json_schema")


@dataclass(frozen=True, slots=True)
class _Maker:
    root: Schema
    text: str
    param: str
    made: list[None] = field(default_factory=list)
    """One for each value made, shared down the tree."""

    def make(self, schema: object, name: str, depth: int) -> Any:
        self.made.append(None)
        if len(self.made) > MAX_VALUES:
            raise _refused(self.param, f"it asks for more than {MAX_VALUES} values")
        if not isinstance(schema, dict):
            return None if schema is False else self.text[:60]
        if depth > TOO_DEEP:
            raise _refused(self.param, "it is nested without an end")
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        match self._type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number" as kind:
                return self._number(schema, kind, name)
            case "boolean":
                denied = rf"\b(not|no|never|without|false)\b.{{0,20}}\b{re.escape(name.replace('_', ' '))}"
                return not re.search(denied, self.text, re.I)
            case "null":
                return None
            case _:
                return text_value(schema, name, self.text)

    def _flat(self, schema: Schema, depth: int) -> Schema:
        """References, `allOf` and one branch of `anyOf`/`oneOf` put into one schema."""
        for _ in range(TOO_DEEP):
            if isinstance(reference := schema.get("$ref"), str):
                schema = merged({k: v for k, v in schema.items() if k != "$ref"}, self._referred(reference))
            elif isinstance(parts := schema.get("allOf"), list) and parts:
                schema = {k: v for k, v in schema.items() if k != "allOf"}
                for part in parts:
                    schema = merged(schema, self._flat(part, depth) if isinstance(part, dict) else {})
            elif branches := (schema.get("anyOf") or schema.get("oneOf")):
                rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
                schema = merged(rest, self._branch([b for b in branches if isinstance(b, dict)], depth))
            else:
                return schema
        raise _refused(self.param, "it refers to itself")

    def _branch(self, branches: list[Schema], depth: int) -> Schema:
        """The first branch that says something; deep down, one that ends the recursion."""
        if not branches:
            return {}
        leaves = [b for b in branches if "$ref" not in b and b.get("type") not in ("object", "array")]
        if depth >= DEEP and leaves:
            return leaves[0]
        return next((b for b in branches if b.get("type") != "null"), branches[0])

    def _referred(self, reference: str) -> Schema:
        found: Any = self.root
        for step in reference.removeprefix("#").split("/")[1:] if reference.startswith("#") else ["\0"]:
            key = step.replace("~1", "/").replace("~0", "~").replace("%25", "%")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise _refused(self.param, f"it refers to {reference[:80]!r}, which is not in it")
        return found if isinstance(found, dict) else {}

    @staticmethod
    def _type(schema: Schema) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((k for k in kind if k != "null"), "null")
        if isinstance(kind, str):
            return kind
        for hint, kinds in _HINTS.items():
            if any(key in schema for key in kinds):
                return hint
        return "string"

    def _chosen(self, values: list[Any]) -> Any:
        """The value most of whose words occur in the text; a longer match wins, else the first."""
        words = set(re.findall(r"[^\W_]+", self.text[:4000].lower()))

        def score(value: object) -> float:
            own = re.findall(r"[^\W_]+", str(value).lower())
            hits = sum(word in words or (len(word) > 4 and any(w.startswith(word[:-2]) for w in words)) for word in own)
            return hits / len(own) + len(own) / 1000 if hits else 0.0

        return max(values, key=score) if values else None

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = [name for name in schema.get("required", ()) if isinstance(name, str)]
        names = list(properties) if depth < DEEP else [name for name in properties if name in required]
        extra = schema.get("additionalProperties", True)
        made: dict[str, Any] = {}
        for name in [*names, *(name for name in required if name not in properties)]:
            if properties.get(name, extra) is not False:
                made[name] = self.make(properties.get(name, extra if isinstance(extra, dict) else {}), name, depth + 1)
        for name in (f"item_{n}" for n in range(1, 1000)):
            if len(made) >= schema.get("minProperties", 0) or extra is False:
                break
            made.setdefault(name, self.make(extra if isinstance(extra, dict) else {}, name, depth + 1))
        most = schema.get("maxProperties", len(made))
        for name in [name for name in made if name not in required][::-1]:
            if len(made) > most:
                del made[name]
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 1_000))
        first = schema.get("prefixItems")
        made = [self.make(one, name, depth + 1) for one in first[:most]] if isinstance(first, list) else []
        items = schema.get("items", True)
        target = min(most, max(least, len(made) or (0 if depth >= DEEP else 1)))
        if "contains" in schema:
            made.extend(self.make(schema["contains"], name, depth + 1) for _ in range(max(1, int(schema.get("minContains", 1)))))
        at, words = 0, self.text[:4000].split()
        while len(made) < target and items is not False and at < target * 4 + 20:
            # Other words each time, so that items that must differ do
            one = _Maker(self.root, self.text if not at else f"{' '.join(words[at:])[:200]} {at}", self.param, self.made)
            value = one._numbered(items, name, depth + 1, at if schema.get("uniqueItems") else 0)
            at += 1
            if not (schema.get("uniqueItems") and value in made):
                made.append(value)
        return made

    def _numbered(self, schema: object, name: str, depth: int, at: int) -> Any:
        """The `at`-th of items that must differ."""
        value = self.make(schema, name, depth)
        if not at or not isinstance(schema, dict):
            return value
        flat = self._flat(schema, depth)
        if isinstance(choices := flat.get("enum"), list) and choices:
            return choices[at % len(choices)]
        if isinstance(value, bool):
            return bool(at % 2)
        if isinstance(value, int | float):
            step = flat.get("multipleOf", 1)
            up = value + at * step
            return up if up <= flat.get("maximum", up) and up < flat.get("exclusiveMaximum", up + 1) else value - at * step
        return value

    def _number(self, schema: Schema, kind: str, name: str) -> float | int:
        step = schema.get("multipleOf") or (1 if kind == "integer" else None)
        low, high = schema.get("minimum"), schema.get("maximum")
        small = (step or 1) if kind == "integer" else 1e-6
        if (above := schema.get("exclusiveMinimum")) is not None:
            low = max(above + small, low if low is not None else above + small)
        if (below := schema.get("exclusiveMaximum")) is not None:
            high = min(below - small, high if high is not None else below - small)
        value = number_in(self.text, name, share=(low, high) == (0, 1) or (low is None and high is None))
        if high is not None:
            value = min(value, high)
        if low is not None:
            value = max(value, low)
        if step:
            value = round(value / step) * step
            if low is not None and value < low:
                value += step
            if high is not None and value > high:
                value -= step
        return int(value) if kind == "integer" else value


_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
}

"""A string that matches a pattern, made from the pattern's parsed form; and patterns that are refused.

Patterns come from callers, and the simulator runs inside the gateway: a pattern that backtracks
without end would stop everybody. Repeats inside repeats, and many repeats, are not run.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

MAX_PATTERN_CHARS, MAX_REPEATS = 500, 4
MAX_TRIED_CHARS, MAX_MADE_CHARS = 40, 400
OPEN_REPEAT = 32
"""A repeat that may come more often than this counts as endless."""


def wild_pattern(schema: object) -> str | None:
    """The first pattern anywhere in a schema that may take too long to match, or `None`. Raises `re.error`."""
    waiting: list[tuple[object, bool]] = [(schema, True)]
    while waiting:
        part, is_schema = waiting.pop()
        if isinstance(part, list):
            waiting += [(one, True) for one in part]
        elif isinstance(part, dict):
            patterns = [part["pattern"]] if is_schema and isinstance(part.get("pattern"), str) else []
            by_pattern = part.get("patternProperties")
            if is_schema and isinstance(by_pattern, dict):
                patterns += by_pattern
            for pattern in patterns:
                if len(pattern) > MAX_PATTERN_CHARS or _repeats(_parse(pattern), inside=False) > MAX_REPEATS:
                    return str(pattern)
            # Below `properties` the keys are names: a property may be called `pattern`.
            waiting += [(value, key not in ("properties", "patternProperties", "$defs")) for key, value in part.items()]
    return None


def _parse(pattern: str) -> Any:
    # The parsed form of a pattern is in the standard library, though not among its documented parts.
    return importlib.import_module("re._parser").parse(pattern)


def _repeats(parsed: Any, *, inside: bool) -> int:
    """How many endless repeats; a choice (of length or of branch) inside a repeat counts as far too many."""
    count = 0
    for operation, argument in parsed:
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = int(argument[0]), int(argument[1]), argument[2]
                count += _repeats(inner, inside=inside or high > 1)
                count += MAX_REPEATS + 1 if inside and low != high else int(high > OPEN_REPEAT and low != high)
            case "SUBPATTERN":
                count += _repeats(argument[-1], inside=inside)
            case "ATOMIC_GROUP":
                count += _repeats(argument, inside=inside)
            case "BRANCH":
                count += sum(_repeats(branch, inside=inside) for branch in argument[1])
                count += MAX_REPEATS + 1 if inside else 0
            case "ASSERT" | "ASSERT_NOT":
                count += _repeats(argument[1], inside=inside)
            case "GROUPREF" | "GROUPREF_EXISTS":
                count += MAX_REPEATS + 1
            case _:
                continue
    return count


def matching(pattern: str, candidates: list[str], least: int, most: int | None) -> str:
    """A candidate that matches, else a string made from the pattern."""
    compiled = re.compile(pattern)
    top = 10**6 if most is None else int(most)
    for candidate in candidates:
        if least <= len(candidate) <= min(top, MAX_TRIED_CHARS) and compiled.search(candidate):
            return candidate
    parsed = _parse(pattern)
    made = "".join(_made(operation, argument, min(least, 64), parsed) for operation, argument in parsed)
    if len(made) > MAX_MADE_CHARS:
        raise ValueError("the pattern asks for too much")
    return made + "x" * (least - len(made)) if len(made) < least and not pattern.endswith("$") else made


def _made(operation: Any, argument: Any, least: int, parsed: Any) -> str:
    """One node of a parsed pattern, written out. Look-arounds and anchors give nothing."""
    match str(operation):
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL":
            return "x" if argument != ord("x") else "y"
        case "ANY":
            return "x"
        case "IN":
            return _member(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = argument
            once = "".join(_made(op, arg, 0, parsed) for op, arg in inner)
            wanted = max(low, 1 if low == 0 and least else low, least if least and len(parsed) <= 3 else 0)
            return _bounded(once, min(int(wanted), int(high)))
        case "SUBPATTERN":
            return "".join(_made(op, arg, 0, parsed) for op, arg in argument[-1])
        case "ATOMIC_GROUP":
            return "".join(_made(op, arg, 0, parsed) for op, arg in argument)
        case "BRANCH":
            return "".join(_made(op, arg, 0, parsed) for op, arg in argument[1][0])
        case _:
            return ""


def _bounded(once: str, times: int) -> str:
    if len(once) * times > MAX_MADE_CHARS:
        raise ValueError("the pattern asks for too much")
    return once * times


def _member(choices: Any) -> str:
    """One character of a class like ``[a-z0-9]`` or ``[^,]``."""
    negated, tests = False, []
    for operation, argument in choices:
        match str(operation):
            case "NEGATE":
                negated = True
            case "LITERAL":
                tests.append((argument, argument))
            case "RANGE":
                tests.append(argument)
            case "CATEGORY":
                tests += _CATEGORIES.get(str(argument), [(ord("a"), ord("z"))])
            case _:
                continue
    if not negated:
        return chr(tests[0][0]) if tests else "x"
    return next((c for c in "xyz0123456789_- ,.ABC" if not any(low <= ord(c) <= high for low, high in tests)), "\u00e9")


_CATEGORIES = {
    "CATEGORY_DIGIT": [(48, 57)],
    "CATEGORY_SPACE": [(32, 32), (9, 13)],
    "CATEGORY_WORD": [(97, 122), (48, 57), (65, 90), (95, 95)],
    "CATEGORY_NOT_SPACE": [(97, 122)],
    "CATEGORY_NOT_DIGIT": [(97, 122)],
    "CATEGORY_NOT_WORD": [(45, 45)],
}

"""Where the top-level fields of a JSON object lie in its bytes, so that one can be replaced and the rest kept.

`msgspec` checks the syntax and gives each value's bytes; walking from key to key by their lengths
then costs microseconds, however large the values are. A key that stands twice, or is spelt with
escapes, breaks that walk: such a body is tokenised instead.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

MAX_DEPTH = 200
"""Deepest nesting taken, in arrays and objects: far beyond any real call, far below any parser's stack."""

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WS = rb"[ \t\n\r]*"
_KEY = re.compile(_WS + rb"[{,]?" + _WS + rb'"([^"\\]*)"' + _WS + rb":" + _WS)
_ANY_KEY = re.compile(_WS + rb"[{,]?" + _WS + rb'("(?:[^"\\]|\\.)*")' + _WS + rb":" + _WS)
_END = re.compile(_WS + rb"\}" + _WS)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SCALAR = re.compile(rb"[^ \t\n\r,\]}]+")
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))


class Field(NamedTuple):
    """One top-level member; its value is `body[start:end]`."""

    name: str
    start: int
    end: int


class NotAnObject(ValueError):
    """The text is JSON, but not an object."""


class TooDeep(ValueError):
    """Nested deeper than `MAX_DEPTH`."""


def find(body: bytes) -> list[Field]:
    """Every top-level field in order, one that stands twice included twice.

    Raises `NotAnObject`, `TooDeep`, or `ValueError` whose text says what is wrong and at which byte,
    without any content.
    """
    try:
        values = _RAW.decode(body)
    except msgspec.ValidationError:
        raise NotAnObject from None
    except RecursionError:
        raise TooDeep from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error).removeprefix("JSON is malformed: ")) from None
    except UnicodeDecodeError:
        raise ValueError("invalid UTF-8 in a key") from None
    if is_deeper_than(body, MAX_DEPTH):
        raise TooDeep
    return _by_lengths(body, values) or _by_tokens(body)


def plain_values(body: bytes) -> dict[str, bytes] | None:
    """Each member's JSON by its name, or `None` where the text is not an object written without a superfluous byte.

    Most clients write so. Then nothing is left to walk for: a member that stands twice, a name spelt with escapes or a
    blank makes the text longer than its names and values add up to, and nothing makes it shorter.
    """
    colon = body.find(b'":') + 2
    if body[colon : colon + 1] == b" ":  # most others put a blank here
        return None
    try:
        members = _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    values = {name: bytes(raw) for name, raw in members.items()}
    bare = sum(map(len, values.values())) + len("".join(values).encode())
    if bare + 4 * len(values) + 1 != len(body) or is_deeper_than(body, MAX_DEPTH):
        return None
    return values


def _by_lengths(body: bytes, values: dict[str, msgspec.Raw]) -> list[Field] | None:
    """The quick walk, or `None` where some key stands twice or holds an escape.

    `values` has the last value of a doubled key at the place of the first, so a value that is not
    found where it should be, or a walk that does not end at the brace, gives the doubling away.
    """
    fields = []
    position = 0
    for name, raw in values.items():
        key = _KEY.match(body, position)
        if key is None or key[1] != name.encode():
            return None
        position = key.end()
        value = bytes(raw)
        if not body.startswith(value, position):
            return None
        end = position + len(value)
        fields.append(Field(name, position, end))
        position = end
    return fields if _END.fullmatch(body, position) else None


def _by_tokens(body: bytes) -> list[Field]:
    """The slow walk over a body that is known to be a well-formed object."""
    fields = []
    position = 0
    while key := _ANY_KEY.match(body, position):
        end = _value_end(body, key.end())
        fields.append(Field(msgspec.json.decode(key[1], type=str), key.end(), end))
        position = end
    return fields


def _value_end(body: bytes, start: int) -> int:
    first = body[start : start + 1]
    if first not in b"{[":
        token = (_STRING if first == b'"' else _SCALAR).match(body, start)
        return token.end() if token else start
    depth = 0
    for token in _BRACKET.finditer(body, start):
        if token[0] in b"{[":
            depth += 1
        elif token[0] in b"}]":
            depth -= 1
            if not depth:
                return token.end()
    return len(body)


def is_deeper_than(body: bytes, depth: int) -> bool:
    """Whether well-formed JSON nests deeper. Counting brackets settles nearly every body."""
    if body.count(b"{") + body.count(b"[") <= depth:
        return False
    bare = body.translate(None, _NOT_STRUCTURE).replace(b"\\\\", b"").replace(b'\\"', b"")
    bare = re.sub(rb'"[^"]*"', b"", bare)
    for _ in range(depth):
        inner = bare.replace(b"[]", b"").replace(b"{}", b"")
        if not inner:
            return False
        if len(inner) == len(bare):
            break
        bare = inner
    return True

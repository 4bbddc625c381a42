"""A reader for the plain way in which nearly every adapter is written: block style, one line a scalar.

It takes a small part of YAML and is sure of it; at anything else it declines, and `documents` asks the
full parser. That one needs 2 ms for an adapter; with 10,000 of them the difference is 20 s at each start.
`tests/adapters/test_documents.py` holds the two against each other.
"""

from __future__ import annotations

import re

from doorward.adapters.nodes import Mapping, Node, Scalar, Sequence


class Declined(Exception):
    """Not for this reader."""


_Line = tuple[int, str, int]
"""(indentation, content without it, line number)"""

_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*):(?: +|$)")
_DOUBLE = re.compile(r'"([^"\\]*)" *(?: #.*)?')
_SINGLE = re.compile(r"'((?:[^']|'')*)' *(?: #.*)?")
_NOT_FIRST = frozenset("-?:,[]{}#&*!|>'\"%@`=<~")
_FLOW_VALUE = r""" *(?:"([^"\\]*)"|'((?:[^']|'')*)'|([A-Za-z0-9/$_.](?:[^,\[\]{}:#\t'"]|:(?=[^\s,\[\]{}]))*)) *(,|$)"""
_FLOW_PAIR = re.compile(r" *([A-Za-z_][A-Za-z0-9_.-]*): " + _FLOW_VALUE)
_FLOW_ITEM = re.compile(_FLOW_VALUE)
_FLOW_END = re.compile(r"[}\]] *(?: #.*)?")


def read(text: str, line: int) -> Node:
    """One document without its marker. Raises `Declined`."""
    if not text.isascii() or "\t" in text:
        raise Declined
    lines: list[_Line] = []
    for number, whole in enumerate(text.split("\n"), line):
        content = whole.lstrip(" ")
        if content and content[0] not in "#\r":
            lines.append((len(whole) - len(content), content.rstrip(), number))
    if not lines:
        return Scalar("", line)
    reader = _Reader(lines)
    node = reader.block(lines[0][0])
    if reader.at != len(lines):
        raise Declined
    return node


class _Reader:
    __slots__ = ("at", "lines")

    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines
        self.at = 0

    def block(self, indent: int) -> Node:
        content = self.lines[self.at][1]
        if content.startswith("- "):
            return self._sequence(indent)
        if _KEY.match(content):
            return self._mapping(indent)
        raise Declined

    def _mapping(self, indent: int) -> Mapping:
        lines = self.lines
        mapping = Mapping(lines[self.at][2])
        while self.at < len(lines):
            at, content, number = lines[self.at]
            if at != indent:
                if at > indent:
                    raise Declined
                break
            key = _KEY.match(content)
            if key is None:
                break
            self.at += 1
            rest = content[key.end() :]
            value = self._below(indent, number) if not rest or rest[0] == "#" else _value(rest, number)
            mapping.items.append((Scalar(key[1], number), value))
        return mapping

    def _below(self, indent: int, number: int) -> Node:
        """The value of a key that stands alone on its line."""
        if self.at < len(self.lines):
            at, content, _ = self.lines[self.at]
            if at > indent or (at == indent and content.startswith("- ")):
                return self.block(at)
        return Scalar("", number)

    def _sequence(self, indent: int) -> Sequence:
        lines = self.lines
        sequence = Sequence(lines[self.at][2])
        while self.at < len(lines):
            at, content, number = lines[self.at]
            if at != indent or not content.startswith("- "):
                if at > indent:
                    raise Declined
                break
            rest = content[2:].lstrip(" ")
            if _KEY.match(rest):
                inner = indent + len(content) - len(rest)
                lines[self.at] = (inner, rest, number)
                sequence.items.append(self._mapping(inner))
            else:
                self.at += 1
                sequence.items.append(_value(rest, number))
        return sequence


def _value(text: str, line: int) -> Node:
    """What stands behind a key or a dash, on one line."""
    first = text[0]
    if first == '"' or first == "'":
        quoted = (_DOUBLE if first == '"' else _SINGLE).fullmatch(text)
        if quoted is None:
            raise Declined
        return Scalar(quoted[1] if first == '"' else quoted[1].replace("''", "'"), line, True)
    if first == "{" or first == "[":
        return _flow(text, line)
    comment = text.find(" #")
    if comment >= 0:
        text = text[:comment].rstrip()
    if first in _NOT_FIRST or ": " in text or text[-1] == ":":
        raise Declined
    return Scalar(text, line)


def _flow(text: str, line: int) -> Node:
    """`{a: b, c: "d"}` or `[a, 'b']`, one level, on one line."""
    found: Mapping | Sequence = Mapping(line) if text[0] == "{" else Sequence(line)
    close = text.rfind("}" if text[0] == "{" else "]")
    if close < 0 or not _FLOW_END.fullmatch(text, close):
        raise Declined
    at = 1
    inside = text[1:close].strip()
    while at < close and inside:
        match = (_FLOW_PAIR if isinstance(found, Mapping) else _FLOW_ITEM).match(text, at, close)
        if match is None:
            raise Declined
        *key, double, single, plain, end = match.groups()
        if plain is not None:
            value = Scalar(plain.rstrip(), line)
        else:
            value = Scalar(double if double is not None else single.replace("''", "'"), line, True)
        if isinstance(found, Mapping):
            found.items.append((Scalar(key[0], line), value))
        else:
            found.items.append(value)
        at = match.end()
        if not end:
            break
    return found

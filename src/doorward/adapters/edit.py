"""Adding an adapter to the operator's file, and taking one out: text is spliced, and every other byte stays (R25).

Comments, quotes, anchors, indentation, line ends, a byte order mark, a final newline or none: they stay
because nothing is written anew. What is added follows what is there: line ends, style of the list, API version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorward.adapters import documents
from doorward.adapters.documents import Document
from doorward.adapters.layout import Part, References, references
from doorward.adapters.manifest import API_VERSIONS
from doorward.adapters.nodes import Mapping, Scalar

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*(?::(?=//)[A-Za-z0-9/._:-]*)?")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class CannotEdit(ValueError):
    """Why the file is left as it is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An adapter to be added, as its document will say it."""

    name: str
    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    allow_private: bool = False


def add(text: str, wish: Wish) -> str:
    """The file with the adapter's document at its end, and a reference where some are listed. Raises `CannotEdit`, `Unreadable`."""
    whole = list(documents.split(text))
    if any(_name_of(document) == wish.name for document in whole):
        raise CannotEdit(f"adapter {wish.name} is in the file already")
    newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    version = _version(whole)
    appended = _document(wish, version, newline)
    if text.strip("\ufeff \t\r\n"):
        ends_whole = text.endswith("\n")
        appended = ("" if ends_whole else newline) + f"---{newline}" + appended
        if not ends_whole:
            appended = appended.removesuffix(newline)
    for document in whole:
        found = references(document)
        if found is not None:
            if wish.name in _referred(found):
                break
            at, inserted = _reference(text, found, wish.name, version, newline)
            return text[:at] + inserted + text[at:] + appended
    return text + appended


def remove(text: str, name: str) -> str:
    """The file without the adapter's documents and references. Raises `CannotEdit` if it is not there, `Unreadable`."""
    cuts: list[tuple[int, int, str]] = []
    for document in documents.split(text):
        if _name_of(document) == name:
            cuts.append((document.start, document.end, ""))
            continue
        found = references(document)
        if found is not None:
            for index, known in enumerate(_referred(found)):
                cuts += _cuts(text, found, index) if known == name else []
    if not any(not put and text[start:end].strip() for start, end, put in cuts):
        raise CannotEdit(f"adapter {name} is not in the file")
    rest = text
    for start, end, put in sorted(cuts, reverse=True):
        rest = rest[:start] + put + rest[end:]
    if text.endswith("\n"):
        return rest
    return rest.removesuffix("\n").removesuffix("\r")  # what was last had no line break, so what is last now has none


def scalar(text: str) -> str:
    """A value as YAML: plain where that is safe, else in the quotes that need the least."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def _document(wish: Wish, version: str, newline: str) -> str:
    lines = [f"apiVersion: {version}", "kind: HTTP", "metadata:", f"  name: {_name(wish.name)}", "spec:"]
    lines.append(f"  baseUrl: {scalar(wish.base_url)}")
    if wish.allow_private:
        lines.append("  allowPrivate: true")
    if wish.headers:
        lines.append("  headers:")
        for name, value in wish.headers:
            lines += [f"    - name: {scalar(name)}", f"      value: {scalar(value)}"]
    return newline.join(lines) + newline


def _name(name: str) -> str:
    """A name of digits alone would otherwise be a number."""
    return name if name[0].isalpha() and name.lower() not in _NOT_PLAIN else f'"{name}"'


def _version(whole: list[Document]) -> str:
    """What the file's adapters say already, else the first of ours."""
    for document in whole:
        if document.kind() == "HTTP":
            node = documents.read(document)
            found = node.get("apiVersion") if isinstance(node, Mapping) else None
            if isinstance(found, Scalar) and found.text in API_VERSIONS:
                return found.text
    return API_VERSIONS[0]


def _name_of(document: Document) -> str | None:
    """The adapter that this document describes. Raises `Unreadable`."""
    if document.is_foreign:
        return None
    node = documents.read(document)
    kind = node.get("kind") if isinstance(node, Mapping) else None
    metadata = node.get("metadata") if isinstance(node, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    is_adapter = isinstance(kind, Scalar) and kind.text == "HTTP"
    return name.text if is_adapter and isinstance(name, Scalar) else None


def _referred(found: References) -> list[str | None]:
    """The adapters' names that the list holds, in order; `None` for what is no reference to an adapter."""
    names: list[str | None] = []
    for item in found.list.items:
        name, kind = item.value("name"), item.value("kind")
        is_adapter = name is not None and (kind is None or kind[1].text == "HTTP")
        names.append(name[1].text if name is not None and is_adapter else None)
    return names


def _reference(text: str, found: References, name: str, version: str, newline: str) -> tuple[int, str]:
    """Where a reference goes, and its text."""
    fields = {"apiVersion": version, "kind": "HTTP", "name": _name(name)}
    items = found.list.items
    if found.list.flow:
        # JSON stays JSON
        quoted = text[items[-1].start : items[-1].end].lstrip("{ ").startswith('"') if items else found.inside_flow
        flow = ", ".join(f'"{key}": "{value.strip(chr(34))}"' if quoted else f"{key}: {value}" for key, value in fields.items())
        if items:
            return _end(text, items[-1]), f", {{{flow}}}"
        return text.index("[", found.list.start) + 1, f"{{{flow}}}"
    if items:
        indent = _dash(text, items, len(items) - 1) - _line_start(text, _dash(text, items, len(items) - 1))
        pad = text[_line_start(text, _dash(text, items, len(items) - 1)) :][:indent]
        after = _end(text, items[-1])
    else:
        pad = " " * (found.key.start - _line_start(text, found.key.start) + 2)
        after = _colon(text, found.key)
    if items and items[-1].flow:
        inner = ", ".join(f"{key}: {value}" for key, value in fields.items())
        lines = [f"{pad}- {{{inner}}}"]
    else:
        lines = [f"{pad}{'  ' if index else '- '}{key}: {value}" for index, (key, value) in enumerate(fields.items())]
    at = text.find("\n", after)
    if at < 0:
        return len(text), newline + newline.join(lines)
    return at + 1, newline.join(lines) + newline


def _cuts(text: str, found: References, index: int) -> list[tuple[int, int, str]]:
    """What to take out for one item of the list, and what to put there."""
    items = found.list.items
    if found.list.flow:
        if index + 1 < len(items):
            return [(items[index].start, items[index + 1].start, "")]
        start = _end(text, items[index - 1]) if index else items[index].start
        return [(start, _end(text, items[index]), "")]
    start = _line_start(text, _dash(text, items, index))
    newline = text.find("\n", _end(text, items[index]))
    end = len(text) if newline < 0 else newline + 1
    if len(items) > 1:
        return [(start, end, "")]
    anchor = found.list.anchor
    key_end = found.list.start + 1 + len(anchor) if anchor else _colon(text, found.key)
    return [(key_end, key_end, " []"), (start, end, "")]


def _dash(text: str, items: list[Part], index: int) -> int:
    """Where the dash of a block item stands. Raises `CannotEdit` where that is not sure."""
    at = text.rfind("-", 0, items[index].start)
    if at < 0 or text[_line_start(text, at) : at].strip(" ") or text[at + 1 : at + 2] not in (" ", "\n", "\r"):
        raise CannotEdit("adapterRefs is written in a way that cannot be edited safely: change it by hand")
    return at


def _end(text: str, item: Part) -> int:
    """Behind the last character of an item. Raises `CannotEdit` where that is not sure."""
    part = item
    while part.items and not part.flow:
        last = part.items[-1]
        if last.is_empty_scalar and part.kind == "mapping":
            return _colon(text, part.items[-2])  # the parser puts nothing where the next thing begins
        part = last
    if part.is_empty_scalar:
        raise CannotEdit("a list of references has an empty item: complete it or take it out")
    return len(text[: part.end].rstrip()) if part.block_scalar else part.end


def _colon(text: str, key: Part) -> int:
    """Behind a key's colon."""
    return text.index(":", key.end) + 1


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1

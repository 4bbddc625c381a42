"""The adapters of a file as they are written, for people: nothing is expanded, no value of a header is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.adapters import documents
from doorward.adapters.expand import names_in
from doorward.adapters.nodes import Mapping, Node, Scalar, Sequence, Unreadable


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    line: int
    base_url: str
    headers: tuple[str, ...]
    """Names."""
    variables: tuple[str, ...]


def adapters(text: str) -> list[Listed]:
    """In the file's order. What cannot be read is left out: `config validate` tells it."""
    found: list[Listed] = []
    for document in documents.split(text):
        if document.is_foreign:
            continue
        try:
            node = documents.read(document)
        except Unreadable:
            continue
        if isinstance(node, Mapping) and _text(node, "kind") == "HTTP":
            found.append(_listed(node))
    return found


def _listed(node: Mapping) -> Listed:
    spec = node.get("spec")
    headers = spec.get("headers") if isinstance(spec, Mapping) else None
    rows = [row for row in headers.items if isinstance(row, Mapping)] if isinstance(headers, Sequence) else []
    base_url = _text(spec, "baseUrl")
    texts = [base_url, *[_text(row, "value") for row in rows]]
    variables = dict.fromkeys(name for text in texts for name in names_in(text))
    return Listed(
        _text(node.get("metadata"), "name"), node.line, base_url, tuple(_text(row, "name") for row in rows), tuple(variables)
    )


def _text(node: Node | None, name: str) -> str:
    found = node.get(name) if isinstance(node, Mapping) else None
    return found.text if isinstance(found, Scalar) else ""

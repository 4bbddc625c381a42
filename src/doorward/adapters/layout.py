"""Where things stand in a document's text: its parts with their first and last character. Nothing is made into values.

The full parser only says where (its events carry marks); whoever edits splices the text itself.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from doorward.adapters.documents import Document
from doorward.adapters.nodes import Unreadable

REFERENCES = ("adapterRefs", "adapterRef")


@dataclass(slots=True)
class Part:
    """`start` and `end` count from the beginning of the file. `end` is exact for scalars, aliases and flow style only."""

    start: int
    end: int
    kind: str
    """``scalar``, ``alias``, ``sequence`` or ``mapping``."""
    text: str = ""
    flow: bool = False
    block_scalar: bool = False
    anchor: str | None = None
    items: list[Part] = field(default_factory=list)
    """Of a mapping: keys and values in turn."""

    def value(self, name: str) -> tuple[Part, Part] | None:
        """Key and value of one field."""
        for key, value in zip(self.items[::2], self.items[1::2], strict=True):
            if self.kind == "mapping" and key.kind == "scalar" and key.text == name:
                return key, value
        return None

    @property
    def is_empty_scalar(self) -> bool:
        return self.kind == "scalar" and self.start == self.end


@dataclass(frozen=True, slots=True)
class References:
    """The list of references in one document: the key, the list, and whether the mapping around it is in flow style."""

    key: Part
    list: Part
    inside_flow: bool


def references(document: Document) -> References | None:
    """Where this document's `spec` lists references, if it does. Raises `Unreadable`."""
    if not any(name in document.source for name in REFERENCES):
        return None
    anchors: dict[str, Part] = {}
    root = parts(document, anchors)
    spec = root.value("spec") if root is not None else None
    for name in REFERENCES:
        found = spec[1].value(name) if spec is not None else None
        if spec is None or found is None:
            continue
        key, value = found
        if value.kind == "alias":
            value = anchors.get(value.text, value)
        if value.kind == "sequence" or (value.is_empty_scalar and not spec[1].flow):
            return References(key, value, spec[1].flow)
    return None


def parts(document: Document, anchors: dict[str, Part] | None = None) -> Part | None:
    """The document's tree, `None` for an empty one; anchors are noted by name. Raises `Unreadable`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    root = Part(0, 0, "root")
    stack = [root]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for event in YAML(typ="safe", pure=True).parse(document.source):
                name = type(event).__name__
                if name in ("SequenceEndEvent", "MappingEndEvent"):
                    done = stack.pop()
                    done.end = document.start + event.end_mark.index
                    continue
                kind = {"ScalarEvent": "scalar", "AliasEvent": "alias", "SequenceStartEvent": "sequence"}.get(
                    name, "mapping" if name == "MappingStartEvent" else ""
                )
                if not kind:
                    continue
                part = Part(document.start + event.start_mark.index, document.start + event.end_mark.index, kind)
                anchor = getattr(event, "anchor", None)
                part.text = (anchor or "") if kind == "alias" else getattr(event, "value", "")
                part.flow = bool(getattr(event, "flow_style", False))
                part.block_scalar = getattr(event, "style", None) in ("|", ">")
                part.anchor = None if kind == "alias" else anchor
                if anchors is not None and part.anchor:
                    anchors[part.anchor] = part
                stack[-1].items.append(part)
                if kind in ("sequence", "mapping"):
                    stack.append(part)
    except (YAMLError, RecursionError, ValueError):
        raise Unreadable(document.line, "no valid YAML") from None
    return root.items[0] if root.items else None

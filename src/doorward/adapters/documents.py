"""A multi-document YAML file, cut at its markers and read document by document.

A line that begins with `---` or `...` is a marker wherever it stands: YAML allows it in no scalar. So
the cut needs no parser, a broken document does not hide the problems of the next, and documents of
other people's kinds are never looked into.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doorward.adapters import quick
from doorward.adapters.nodes import Mapping, Node, Scalar, Sequence, Unreadable

MAX_FILE_BYTES = 16 * 2**20
MAX_DOCUMENT_CHARS = 2**18
"""Of one document that the full parser has to read: a second or two of its time."""
MAX_ALIASES = 100
MAX_DEPTH = 50
OUR_KINDS = ("HTTP", "Doorward")

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z))*")
_ONLY_DIRECTIVES = re.compile(r"(?:(?:[ \t]*(?:#[^\n]*)?|%[^\n]*)\r?(?:\n|\Z))*")
_KIND = re.compile(r"""^kind:[ \t]+["']?([A-Za-z0-9_.-]+)["']?[ \t]*(?:#[^\n]*)?\r?$""", re.MULTILINE)
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(_TAG + name for name in ["str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value"])


@dataclass(frozen=True, slots=True)
class Document:
    """`text[start:end]` is the document with its `---`, up to the next marker. `line` is that of `start`, from 1."""

    text: str
    start: int
    end: int
    line: int
    body: int
    """Where the content begins, behind the marker's three dashes."""

    @property
    def source(self) -> str:
        return self.text[self.start : self.end]

    @property
    def content(self) -> str:
        return self.text[self.body : self.end]

    @property
    def is_empty(self) -> bool:
        return _NOTHING.fullmatch(self.content) is not None

    def kind(self) -> str | None:
        """The kind, if it can be told without reading: `kind: Word` at the margin. `None`: it has to be read."""
        content = self.content
        kinds = set(_KIND.findall(content))
        return kinds.pop() if len(kinds) == 1 and content.lstrip()[:1] not in ("{", "[", '"', "'", "|", ">") else None

    @property
    def is_foreign(self) -> bool:
        """Somebody else's for sure."""
        kind = self.kind()
        return kind is not None and kind not in OUR_KINDS


def raw_of(path: Path) -> bytes:
    """A file's bytes, one more than `decode` takes at most. Raises `OSError`."""
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def decode(raw: bytes) -> str:
    """The file as text, a byte order mark included. Raises `Unreadable`."""
    if len(raw) > MAX_FILE_BYTES:
        raise Unreadable(1, f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(raw.count(b"\n", 0, error.start) + 1, "not UTF-8") from None
    if found := _NOT_TEXT.search(text):
        raise Unreadable(text.count("\n", 0, found.start()) + 1, "a control character, which YAML does not allow")
    return text


def split(text: str) -> Iterator[Document]:
    """Every document in order, empty ones between two markers included."""
    start = 1 if text.startswith("\ufeff") else 0
    counted, line = 0, 1
    pending: int | None = None
    """Where directives begin that belong to the next document."""
    bare = True
    """Content up to the next marker has no `---` of its own."""
    body = start
    for marker in [*_MARKER.finditer(text), None]:
        at = len(text) if marker is None else marker.start()
        if bare and _ONLY_DIRECTIVES.fullmatch(text, start, at):
            if "%" in text[start:at]:
                pending = start
        else:
            line += text.count("\n", counted, start)
            counted = start
            yield Document(text, start, at, line, body)
        if marker is None:
            return
        bare = marker[0] == "..."
        if bare:
            newline = text.find("\n", marker.end())
            start = body = len(text) if newline < 0 else newline + 1
        else:
            start = at if pending is None else pending
            body = marker.end()
        pending = None


def read(document: Document) -> Node:
    """What the document says. Raises `Unreadable`."""
    marker = document.text[document.start : document.body]
    first, _, rest = document.content.partition("\n")
    try:
        if not marker:
            return quick.read(document.content, document.line)
        if marker == "---" and _NOTHING.fullmatch(first):
            return quick.read(rest, document.line + 1)
    except quick.Declined:
        pass
    return _Tree(document).node(compose(document), 0)


def compose(document: Document) -> Any:
    """The full parser's node tree; its marks count from `document.start`. Raises `Unreadable`."""
    # Imported here: 30 ms and 5 MB that a plain file does not need
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    source = document.source
    if len(source) > MAX_DOCUMENT_CHARS:
        raise Unreadable(document.line, f"a document of ours may have {MAX_DOCUMENT_CHARS:,} characters, this one has more")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return YAML(typ="safe", pure=True).compose(source)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # its own text quotes the line, and that may hold a secret
        raise Unreadable(document.line + (mark.line if mark else 0), f"no valid YAML: {_plain(error.problem)}") from None
    except YAMLError:
        raise Unreadable(document.line, "no valid YAML") from None
    except (RecursionError, ValueError):
        raise Unreadable(document.line, "no valid YAML: nested too deeply, or a number out of range") from None


def _plain(problem: str | None) -> str:
    """The parser's reason without what it quotes."""
    return re.sub(r"""(['"]).*?\1""", "a character or name", (problem or "it cannot be read").partition("\n")[0])


class _Tree:
    """The parser's tree as ours. An alias is the same node again, so nothing is multiplied."""

    def __init__(self, document: Document) -> None:
        self._line = document.line
        self._known: dict[int, Node] = {}
        self._aliases = 0

    def node(self, node: Any, depth: int) -> Node:
        if node is None:
            return Scalar("", self._line)
        line = self._line + node.start_mark.line
        if (found := self._known.get(id(node))) is not None:
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise Unreadable(line, f"more than {MAX_ALIASES} aliases in one document")
            return found
        if depth > MAX_DEPTH:
            raise Unreadable(line, "nested too deeply")
        if str(node.tag) not in _TAGS:
            raise Unreadable(line, "YAML tags are not read here: write the value plainly")
        if node.id == "scalar":
            return self._known.setdefault(id(node), Scalar(node.value, line, node.style is not None))
        if node.id == "sequence":
            sequence = self._known[id(node)] = Sequence(line)
            sequence.items += [self.node(item, depth + 1) for item in node.value]
            return sequence
        mapping = self._known[id(node)] = Mapping(line)
        mapping.items += [(self._key(key, depth), self.node(value, depth + 1)) for key, value in node.value]
        return mapping

    def _key(self, node: Any, depth: int) -> Scalar:
        key = self.node(node, depth + 1)
        if not isinstance(key, Scalar):
            raise Unreadable(key.line, "a key must be a word")
        if key.text == "<<" and not key.quoted:
            raise Unreadable(key.line, "merge keys (<<) are not read here: write the fields out")
        return key

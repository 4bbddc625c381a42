"""The operator's file (R24): `kind: HTTP` documents are adapters, `kind: Doorward` ones settings, all others are left alone.

Reading goes on after a problem, so that all are told at once. No problem ever shows a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from doorward.adapters import documents
from doorward.adapters.adapter import Adapter
from doorward.adapters.fields import Fields
from doorward.adapters.nodes import Mapping, Node, Problem, Scalar, Unreadable
from doorward.adapters.spec import SpecReader
from doorward.adapters.values import plain

API_VERSIONS = ("moment.dev/adapters/v1alpha1", "doorward.dev/v1")
MAX_ADAPTERS = 50_000

_TOP = frozenset({"apiVersion", "kind", "metadata", "spec"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a `kind: Doorward` document: still texts, checked by whoever reads settings."""

    value: str | list[object] | dict[str, object]
    line: int


@dataclass(slots=True)
class Manifest:
    adapters: dict[str, Adapter] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    """By the setting's own name: `maxTokens` and `max_tokens` are the same."""
    problems: list[Problem] = field(default_factory=list)
    foreign: int = 0
    """Documents of other kinds."""


def read(raw: bytes, environment: Map[str, str], *, allow_private: bool = False, expanding: bool = True) -> Manifest:
    """Never raises for what is in the file. `expanding=False`: variables may be missing, nothing is usable afterwards."""
    manifest = Manifest()
    try:
        text = documents.decode(raw)
    except Unreadable as error:
        manifest.problems.append(Problem(error.line, error.says))
        return manifest
    reader = _Reader(manifest, environment, allow_private, expanding)
    for document in documents.split(text):
        if document.is_foreign:
            manifest.foreign += 1
            continue
        try:
            reader.document(documents.read(document))
        except Unreadable as error:
            manifest.problems.append(Problem(error.line, error.says))
    manifest.problems.sort(key=lambda problem: problem.line)
    return manifest


class _Reader:
    def __init__(self, manifest: Manifest, environment: Map[str, str], allow_private: bool, expanding: bool) -> None:
        self._manifest = manifest
        self._problems = manifest.problems
        self._specs = SpecReader(manifest.problems, environment, allow_private, expanding)

    def document(self, node: Node) -> None:
        kind = node.get("kind") if isinstance(node, Mapping) else None
        word = kind.text if isinstance(kind, Scalar) else ""
        if word not in documents.OUR_KINDS:
            self._manifest.foreign += not (isinstance(node, Scalar) and node.is_null)
            return
        top = Fields(node, "the document", _TOP, self._problems, node.line)
        version = top.text("apiVersion", needed=True)
        if version is not None and version.text not in API_VERSIONS:
            top.wrong(version.line, f"apiVersion must be {' or '.join(API_VERSIONS)}")
        if word == "HTTP":
            self._adapter(top)
        else:
            self._settings(top)

    def _settings(self, top: Fields) -> None:
        spec = top.node("spec")
        if not isinstance(spec, Mapping):
            top.wrong(top.line, "spec must be a mapping of settings")
            return
        for key, value in spec.items:
            name = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key.text).lower()
            if name == "adapter_refs" or (isinstance(value, Scalar) and value.is_null):
                continue
            if name in self._manifest.settings:
                top.wrong(key.line, f"spec.{name} stands twice")
                continue
            try:
                self._manifest.settings[name] = Setting(plain(value), key.line)
            except (ValueError, RecursionError):
                top.wrong(key.line, f"spec.{name} is too large")

    def _adapter(self, top: Fields) -> None:
        before = len(self._problems)
        adapter = self._specs.adapter(top)
        first = self._manifest.adapters.get(adapter.name)
        if first is not None:
            top.wrong(top.line, f"adapter {adapter.name} stands twice, first in line {first.line}")
        elif len(self._manifest.adapters) >= MAX_ADAPTERS:
            top.wrong(top.line, f"more than {MAX_ADAPTERS:,} adapters")
        elif len(self._problems) == before:
            self._manifest.adapters[adapter.name] = adapter

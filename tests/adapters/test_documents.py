"""Cutting and reading YAML: the quick reader agrees with the full one, and nothing hostile gets through either."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.counts import count

from doorward.adapters import documents, quick
from doorward.adapters.nodes import Mapping, Node, Scalar, Sequence, Unreadable

WORDS = st.sampled_from(
    ["a", "https://api.openai.com/v1", "Bearer ${{ X }}", "a b", "x#y", "a:b", "1",
     "true", "~", "-", "?", "*a", "&a b", "!t", "",
     "'q'", '"q"', "a: b", "a #c", "#c", "[x]", "{y}", "[", "}", "`", 
     "@x", "%y", "|", ">", "a,b", "null", "é", "a\\b", "0x1", "=", "<<"]
)  # fmt: skip
QUOTED = WORDS.map(lambda word: f'"{word}"') | WORDS.map(lambda word: f"'{word}'")
VALUES = WORDS | QUOTED
FLOWS = st.lists(st.tuples(st.sampled_from(["name", "value", "k.v"]), VALUES), max_size=3).map(
    lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
) | st.lists(VALUES, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
LINES = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["key: ", "other: ", "key:", "- ", "- key: ", "- name: ", "", "# comment", "  - ", "key:  "]),
    VALUES | FLOWS | st.just(""),
    st.sampled_from(["", "", "  # why", " #", " ", "\r"]),
).map(lambda parts: "  " * parts[0] + parts[1] + parts[2] + parts[3])
TEXTS = st.lists(LINES, max_size=8).map("\n".join)


def full(text: str) -> Any:
    """What the full parser says, scalars as text."""
    return YAML(typ="safe", pure=True).compose(text)


def same(ours: Node, theirs: Any) -> bool:
    if theirs is None:
        return isinstance(ours, Scalar) and ours.is_null
    if isinstance(ours, Scalar):
        return theirs.id == "scalar" and theirs.value == ours.text and (theirs.style is not None) == ours.quoted
    if isinstance(ours, Sequence):
        return theirs.id == "sequence" and len(ours.items) == len(theirs.value) and all(map(same, ours.items, theirs.value))
    return (
        theirs.id == "mapping"
        and len(ours.items) == len(theirs.value)
        and all(same(key, k) and same(value, v) for (key, value), (k, v) in zip(ours.items, theirs.value, strict=True))
    )


def lines_agree(ours: Node, theirs: Any) -> bool:
    if isinstance(ours, Mapping):
        return all(
            key.line == k.start_mark.line + 1 and lines_agree(value, v)
            for (key, value), (k, v) in zip(ours.items, theirs.value, strict=True)
        )
    if isinstance(ours, Sequence):
        return all(map(lines_agree, ours.items, theirs.value))
    return not ours.text or ours.line == theirs.start_mark.line + 1


@settings(max_examples=count("quick reader against the full one", small=300, full=20_000), deadline=None)
@given(TEXTS)
def test_the_quick_reader_says_what_the_full_one_says_or_declines(text: str) -> None:
    try:
        ours = quick.read(text, 1)
    except quick.Declined:
        return
    theirs = full(text)
    assert same(ours, theirs), text
    if theirs is not None:
        assert lines_agree(ours, theirs)


def test_the_usual_way_to_write_an_adapter_is_read_quickly() -> None:
    text = (
        "# ours\napiVersion: doorward.dev/v1  # newer\nkind: HTTP\nmetadata: {name: a}\nspec:\n  baseUrl: https://x/y:z\n"
        '  headers:\n  - name: A\n    value: "Bearer ${{ X }}"\n  - {name: B, value: \'"q" ${{ X }}\'}\n  methods: [GET, POST]\r\n'
    )
    assert same(quick.read(text, 1), full(text))


PIECES = st.sampled_from(
    ["---\n", "--- # c\n", "...\n", "a: 1\n", "- x\n", "# c\n", "\n", "kind: HTTP\n", "b: |\n  ---\n  x\n", 
     "...\n%YAML 1.2\n---\n", "---x\n", "--- {a: b}\n", "---\r\n"]
)  # fmt: skip


@settings(max_examples=count("cutting documents", small=150, full=5000), deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["", "\ufeff"]))
def test_the_cut_finds_the_documents_that_the_full_parser_finds(text: str, mark: str) -> None:
    try:
        theirs = list(YAML(typ="safe", pure=True).compose_all(text))
    except Exception:
        return
    found = list(documents.split(mark + text))
    assert all(one.end <= two.start for one, two in zip(found, found[1:], strict=False))
    ours = [documents.read(document) for document in found]
    assert len(ours) == len(theirs)
    assert all(map(same, ours, theirs)), text


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: !!python/object/apply:os.system [x]\n", 1, "tags"),
        ("kind: HTTP\nb: !secret x\n", 2, "tags"),
        ("a: 1\nb: *nothing\n", 2, "undefined alias"),
        ("a: [1\n", 2, "no valid YAML"),
        ("x:\n  <<: *a\n", 2, "no valid YAML"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "merge keys"),
        ("[" * 5000, 1, ""),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, 1, "deep"),
        ("? {a: b}\n: c\n", 1, "word"),
        ("a: &a x\nb: [" + "*a, " * 200 + "]\n", 1, "aliases"),
    ],
)
def test_what_is_not_taken_is_said_with_its_line_and_without_its_value(text: str, line: int, word: str) -> None:
    with pytest.raises(Unreadable) as caught:
        [documents.read(document) for document in documents.split(text)]
    assert caught.value.line == line
    assert word in caught.value.says


def test_an_alias_bomb_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    started = time.process_time()
    (document,) = documents.split("\n".join(lines) + "\nkind: HTTP\n")
    node = documents.read(document)
    assert isinstance(node, Mapping)
    assert time.process_time() - started < 2
    loop = documents.read(next(documents.split("kind: HTTP\na: &a\n  b: *a\n")))
    assert isinstance(loop, Mapping)


def test_errors_of_the_parser_do_not_quote_the_file() -> None:
    for text in (
        'a: "secret-value\n',
        "a: 'secret-value' x\n",
        "a: secret-value: x\n",
        "secret-value\nb: c: d\n",
        'a: "\\qsecret"\n',
    ):
        with pytest.raises(Unreadable) as caught:
            documents.read(next(documents.split(text)))
        assert "secret" not in caught.value.says


@pytest.mark.parametrize("raw", [b"\xff\xfea\x00", b"a: \x00\n", b"a: \x1b[31m\n", b"x" * (documents.MAX_FILE_BYTES + 1)])
def test_what_is_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        documents.decode(raw)


def test_other_peoples_kinds_are_not_even_read() -> None:
    (document,) = documents.split("kind: ConfigMap\ndata: !custom {broken: [\n")
    assert document.is_foreign

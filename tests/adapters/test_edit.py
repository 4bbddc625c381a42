"""Adding and removing: every other byte stays, whatever the file looks like."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tests.counts import count

from doorward.adapters import documents, edit, manifest
from doorward.adapters.edit import CannotEdit, Wish
from doorward.adapters.nodes import Unreadable

WISH = Wish(
    "openai", "https://api.openai.com", (("Authorization", "Bearer ${{ OPENAI_API_TOKEN }}"), ("X-Odd", '"token ${{ X }}"'))
)
ENVIRONMENT = {"OPENAI_API_TOKEN": "t-1", "X": "x-1"}

CANVAS = """\
# A canvas of ours, kept in git
apiVersion: moment.dev/canvas/v1   # theirs
kind: Canvas
metadata: {name: "team's"}
spec:
  title:   'two  spaces'
  adapterRefs:
    # the first one
    - apiVersion: moment.dev/adapters/v1alpha1
      kind: HTTP
      name: github   # pull requests
  panels: &p [1,  2]
---
apiVersion: moment.dev/adapters/v1alpha1
kind: HTTP
metadata:
  name: github
spec:
  baseUrl: "https://api.github.com"
"""

LISTS = [
    "  adapterRefs:\n    - apiVersion: v\n      kind: HTTP\n      name: a\n",
    "  adapterRefs:\n  - {kind: HTTP, name: a}   # one\n  - {kind: HTTP, name: b}\n",
    "  adapterRefs: []\n",
    "  adapterRefs: [ ]  # none\n",
    "  adapterRefs: [{kind: HTTP, name: a}]\n",
    "  adapterRefs: [\n    {kind: HTTP, name: a}, # x\n    {kind: HTTP, name: b},\n  ]\n",
    "  adapterRefs:\n",
    "  adapterRefs:   # none yet\n",
    "  adapterRefs: &refs\n    -   kind: HTTP\n        name: \"a\"\n\n    # after\n",
    "  adapterRefs:\n    - kind: HTTP\n      name: a\n      note: |-\n        ---text\n        more\n",
    "  adapterRefs:\n    -\n      kind: HTTP\n      name: a\n",
    "  adapterRefs: null\n",
    "  other: 1\n",
    "  adapterRefs: not a list\n",
]  # fmt: skip
EMPTY = re.compile(r"adapterRefs:[ ]*(#.*)?\r?(\n  more|\n---|\n#|\n\.\.\.|\n*$|\r\n\r\n)")
BEFORE = ["", "# top\n", "---\n", "\ufeff", "kind: X\nspec: {a: 1}\n---\n", "%YAML 1.2\n---\n", "--- # first\n", "a: 1\n...\n---\n"]
AFTER = ["", "  more: 'x'   \n", "---\nkind: Other\ndata: |+\n  keep\n\n", "...\n", "\n\n", "# end\n", "---\n"]
FILES = st.builds(
    lambda before, listed, after, crlf, final: (
        (before + "kind: Canvas\nspec:\n" + listed + after).replace("\n", "\r\n" if crlf else "\n").rstrip("\r\n")
        if not final
        else (before + "kind: Canvas\nspec:\n" + listed + after).replace("\n", "\r\n" if crlf else "\n")
    ),
    st.sampled_from(BEFORE),
    st.sampled_from(LISTS),
    st.sampled_from(AFTER),
    st.booleans(),
    st.booleans(),
)


def is_subsequence(before: str, after: str) -> bool:
    rest = iter(after)
    return all(character in rest for character in before)


def loaded(text: str) -> list[object]:
    """What a generated file says; one that is no YAML is not interesting."""
    try:
        return plain(text)
    except YAMLError:
        reject()


def plain(text: str) -> list[object]:
    return list(YAML(typ="safe", pure=True).load_all(text.removeprefix("\ufeff")))


@settings(max_examples=count("files edited", small=200, full=20_000), deadline=None)
@given(FILES)
def test_every_other_byte_stays_and_the_file_says_what_it_said_and_the_adapter(text: str) -> None:
    said = loaded(text)
    edited = edit.add(text, WISH)
    assert is_subsequence(text, edited)
    assert len(edited) > len(text)
    assert edited.endswith("\n") == (text.endswith("\n") or not text)
    if "\r\n" in text:
        assert "\n" not in edited.replace("\r\n", "")
    now = plain(edited)
    while said and said[-1] is None and len(now) <= len(said):
        said.pop()
    assert now[-1] == {
        "apiVersion": "moment.dev/adapters/v1alpha1",
        "kind": "HTTP",
        "metadata": {"name": "openai"},
        "spec": {
            "baseUrl": "https://api.openai.com",
            "headers": [
                {"name": "Authorization", "value": "Bearer ${{ OPENAI_API_TOKEN }}"},
                {"name": "X-Odd", "value": '"token ${{ X }}"'},
            ],
        },
    }
    reference = {"apiVersion": "moment.dev/adapters/v1alpha1", "kind": "HTTP", "name": "openai"}
    for old, new in zip(said, now, strict=False):
        refs = old.get("spec", {}).get("adapterRefs", 0) if isinstance(old, dict) else 0
        if isinstance(refs, list) or (refs is None and "null" not in text):
            assert isinstance(new, dict)
            assert new["spec"].pop("adapterRefs") == [*(refs or []), reference]
            old["spec"].pop("adapterRefs")
        kept = isinstance(old, dict) and old.get("data") == "keep"  # a block scalar at the end of a file without a final newline
        assert old == new or kept
    found = manifest.read(edited.encode(), ENVIRONMENT)
    assert "openai" in found.adapters, found.problems
    with pytest.raises(CannotEdit):
        edit.add(edited, WISH)


@settings(max_examples=count("files edited there and back", small=100, full=5000), deadline=None)
@given(FILES)
def test_taking_it_out_again_gives_the_file_as_it_was(text: str) -> None:
    loaded(text)
    back = edit.remove(edit.add(text, WISH), "openai")
    if EMPTY.search(text):
        assert is_subsequence(text, back)  # `adapterRefs:` is `adapterRefs: []` now
        assert back.replace("adapterRefs: []", "adapterRefs:", 1) == text
    elif text:
        assert back == text


def test_the_example_of_the_requirements_to_the_letter() -> None:
    edited = edit.add(CANVAS, WISH)
    reference = "    - apiVersion: moment.dev/adapters/v1alpha1\n      kind: HTTP\n      name: openai\n"
    document = (
        "---\napiVersion: moment.dev/adapters/v1alpha1\nkind: HTTP\nmetadata:\n  name: openai\nspec:\n"
        "  baseUrl: https://api.openai.com\n  headers:\n    - name: Authorization\n"
        '      value: "Bearer ${{ OPENAI_API_TOKEN }}"\n    - name: X-Odd\n      value: \'"token ${{ X }}"\'\n'
    )
    head, tail = CANVAS.split("  panels")
    assert edited == head + reference + "  panels" + tail + document
    assert edit.remove(edited, "openai") == CANVAS


def test_without_references_only_the_document_is_added() -> None:
    text = "kind: Canvas\nspec: {}\n"
    assert edit.add(text, Wish("a", "https://x.example")).startswith(text + "---\napiVersion: ")


def test_only_the_first_list_gets_the_reference_and_only_once() -> None:
    two = "kind: A\nspec:\n  adapterRefs: []\n---\nkind: B\nspec:\n  adapterRefs: []\n"
    edited = edit.add(two, Wish("a", "https://x.example"))
    assert edited.count("name: a") == 2  # the reference, the document
    assert plain(edited)[1] == {"kind": "B", "spec": {"adapterRefs": []}}
    known = "kind: A\nspec:\n  adapterRefs:\n  - {kind: HTTP, name: a}\n"
    assert edit.add(known, Wish("a", "https://x.example")).startswith(known + "---\n")


def test_json_stays_json_and_the_files_own_version_is_taken() -> None:
    text = '{"kind": "Canvas", "spec": {"adapterRefs": [{"kind": "HTTP", "name": "x"}]}}\n'
    edited = edit.add(text, Wish("a", "https://x.example"))
    assert '{"kind": "HTTP", "name": "x"}, {"apiVersion": "moment.dev/adapters/v1alpha1", "kind": "HTTP", "name": "a"}]' in edited
    ours = "apiVersion: doorward.dev/v1\nkind: HTTP\nmetadata: {name: b}\nspec: {baseUrl: https://b.example}\n"
    assert edit.add(ours, Wish("a", "https://x.example")).count("doorward.dev/v1") == 2


def test_a_new_file_is_one_document() -> None:
    assert edit.add("", Wish("a", "https://x.example")) == (
        "apiVersion: moment.dev/adapters/v1alpha1\nkind: HTTP\nmetadata:\n  name: a\nspec:\n  baseUrl: https://x.example\n"
    )


def test_a_duplicate_and_a_broken_file_are_left_alone() -> None:
    with pytest.raises(CannotEdit):
        edit.add(CANVAS, Wish("github", "https://x.example"))
    with pytest.raises(Unreadable):
        edit.add("kind: HTTP\nspec: [\n", WISH)
    with pytest.raises(CannotEdit):
        edit.remove(CANVAS, "nothing")


def test_removing_takes_the_reference_too() -> None:
    edited = edit.remove(CANVAS, "github")
    assert "github" not in edited
    assert plain(edited)[0]["spec"]["adapterRefs"] == []  # type: ignore[index]
    assert "# A canvas of ours" in edited


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30))
def test_any_value_is_written_so_that_it_is_read_back(value: str) -> None:
    assert YAML(typ="safe", pure=True).load(f"v: {edit.scalar(value)}\n") == {"v": value}
    assert [document.start for document in documents.split(f"v: {edit.scalar(value)}\n")] == [0]

"""Cutting: no character is lost or doubled, no slice is too large, and sentences stay whole where they can."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.apps import slices as cutting
from doorward.apps.slices import prefix
from doorward.providers.tokens import count_text

MODEL = "gpt-4o-mini"
WORDS = st.sampled_from(
    ["word", "a", "Émile", "数字", "x" * 40, "3.14", "e.g.", "\U0001f600", "end.", 'said."', "\n\n", "\n", "  ", "。"]
)


def slices(text: str, model: str, most: int) -> list[str]:
    return list(cutting.slices(text, model, most))


TEXTS = st.one_of(st.text(max_size=400), st.lists(WORDS, max_size=150).map(" ".join))


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.integers(9, 60))
def test_joined_slices_are_the_text_and_each_fits(text: str, most: int) -> None:
    found = slices(text, MODEL, most)
    assert "".join(found) == text
    assert all(found), "no slice is empty"
    assert all(count_text(part, MODEL).tokens <= most for part in found)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 60))
def test_a_prefix_is_the_beginning_and_fits(text: str, most: int) -> None:
    found = prefix(text, MODEL, most)
    assert text.startswith(found)
    assert count_text(found, MODEL).tokens <= most
    if count_text(text, MODEL).tokens <= most:
        assert found == text


def test_a_prefix_is_as_long_as_it_may_be() -> None:
    text = "one two three four five. " * 4000
    assert 7990 <= count_text(prefix(text, MODEL, 8000), MODEL).tokens <= 8000


def test_slices_end_where_sentences_end() -> None:
    text = " ".join(f"This is sentence number {number}, and it has some words." for number in range(2000))
    found = slices(text, MODEL, 1000)
    assert len(found) > 10
    assert all(part.rstrip().endswith(".") for part in found)
    assert all(count_text(part, MODEL).tokens > 900 for part in found[:-1])


def test_a_sentence_without_end_is_cut_at_a_space_and_a_word_without_end_anywhere() -> None:
    assert all(part.endswith(" ") for part in slices("word " * 3000, MODEL, 500)[:-1])
    blob = "ab" * 20_000
    assert "".join(slices(blob, MODEL, 300)) == blob


def test_a_million_tokens_are_cut_in_seconds() -> None:
    text = "The quick brown fox jumps over the lazy dog near the old river bank. " * 66_700
    began = time.monotonic()
    found = slices(text, MODEL, 50_000)
    assert "".join(found) == text
    assert time.monotonic() - began < 15

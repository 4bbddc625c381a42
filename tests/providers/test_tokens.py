"""Token counts: against tiktoken's own registry, across seams, and without rank files."""

from __future__ import annotations

import base64
import hashlib
import importlib
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.providers import encodings, tokens
from doorward.providers.encodings import encoding_for
from doorward.providers.tokens import Count, count_input, count_messages, count_text, pieces

O200K, CL100K = "gpt-4o", "gpt-4"
MIXED = (
    "Hello, world! don’t I'll DON'T 中文，测试。naïve café ñandú 1234567"
    " foo_bar x=y; 😀👩‍👩‍👧 a²b HTTPServer <|endoftext|>\r\n\t  end. "
)
BITS = [*MIXED.split(" "), " ", "\n", "  "]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """tiktoken's registered encodings, fed from our rank files by way of its own cache: no download."""
    cache = tmp_path_factory.mktemp("tiktoken")
    public = importlib.import_module("tiktoken_ext.openai_public")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        ready = {}
        for name in encodings.ENCODINGS:
            packed = (importlib.resources.files("doorward.providers") / "ranks" / f"{name}.bpe").read_bytes()
            ranks = encodings._unpack(packed)
            lines = b"".join(base64.b64encode(token) + b" " + str(rank).encode() + b"\n" for token, rank in ranks.items())
            # tiktoken names a cached file by the SHA-1 of where it would load it from, and checks its SHA-256.
            source = next(text for text in getattr(public, name).__code__.co_consts if str(text).endswith(f"/{name}.tiktoken"))
            (cache / hashlib.sha1(source.encode()).hexdigest()).write_bytes(lines)
            ready[name] = importlib.import_module("tiktoken").Encoding(**getattr(public, name)())
        yield ready


def test_known_tokens():
    assert tokens._encode("o200k_base", "hello world") == [24912, 2375]
    assert tokens._encode("cl100k_base", "hello world") == [15339, 1917]


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.lists(st.sampled_from(BITS), max_size=60).map("".join)))
def test_our_encodings_are_the_registered_ones(registry, text):
    for name, encoding in registry.items():
        assert tokens._encode(name, text) == encoding.encode_ordinary(text)


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.sampled_from(BITS), min_size=1, max_size=60),
    model=st.sampled_from([O200K, CL100K]),
)
def test_counting_on_both_sides_of_a_seam_changes_nothing(words, model):
    text = " ".join(words)
    name = encoding_for(model)
    places = [0, *(found.start() for found in tokens._SEAM.finditer(text)), len(text)]
    parts = sum(len(tokens._encode(name, text[a:b])) for a, b in zip(places, places[1:], strict=False))
    assert parts == len(tokens._encode(name, text))


def test_long_texts_are_counted_in_slices_exactly_where_they_have_seams(registry):
    text = MIXED * 4000
    assert len(text) > 3 * tokens.SLICE_CHARS
    assert count_text(text, O200K) == Count(len(registry["o200k_base"].encode_ordinary(text)), True)


@pytest.mark.parametrize("text", [" " * 1_000_000, "a" * 400_000, "\n" * 400_000, "é" * 300_000, "\ud800" * 1000, "\0" * 1000])
def test_hostile_texts_are_counted_without_an_error(text):
    for model in (O200K, CL100K, "claude-4"):
        assert 0 < count_text(text, model).tokens <= 3 * len(text)


def test_a_panic_of_the_core_becomes_an_estimate(monkeypatch):
    class PanicException(BaseException):
        """What pyo3 raises."""

    class Panicking:
        def encode_ordinary(self, text):
            raise PanicException

    monkeypatch.setitem(encodings._loaded, "o200k_base", Panicking())
    counted = count_text("hello there", O200K)
    assert not counted.exact
    assert counted.tokens > 0
    assert "".join(piece for piece, _ in pieces("hello there", O200K)) == "hello there"


def test_without_rank_files_counts_are_estimates_and_it_is_said_once(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(encodings, "files", lambda package: tmp_path)
    monkeypatch.setattr(encodings, "_loaded", {})
    assert [count_text("hello world", O200K).exact for _ in range(3)] == [False] * 3
    assert sum("token ranks" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-4.1-nano", "o200k_base"),
        ("ft:gpt-4o-mini:acme::x", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("GPT-5.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o1", "o200k_base"),
        ("sim-anything", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("o1000", None),
        ("claude-opus-4", None),
        ("llama-3", None),
        ("gpt-9", None),
        ("", None),
    ],
)
def test_the_encoding_of_a_model(model, name):
    assert encoding_for(model) == name


def test_other_models_get_an_honest_estimate():
    english, chinese = "The quick brown fox jumps over the lazy dog. " * 20, "敏捷的棕色狐狸跳过懒狗。" * 20
    for text in (english, chinese):
        exact, estimate = count_text(text, O200K), count_text(text, "claude-opus-4")
        assert exact.exact
        assert not estimate.exact
        assert exact.tokens / 2 < estimate.tokens < exact.tokens * 2


def test_messages_have_openais_overhead():
    # OpenAI's published example: 3 for each message, 1 for each name, 3 to prime the answer.
    messages = [{"role": "system", "content": "You are helpful."}, {"role": "user", "name": "bob", "content": "hello world"}]
    words = sum(count_text(text, O200K).tokens for text in ("system", "You are helpful.", "user", "bob", "hello world"))
    assert count_messages(messages, O200K) == Count(words + 2 * 3 + 1 + 3, True)
    parts = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "hello world"}, {"type": "image_url", "image_url": {"url": "data:…"}}],
        }
    ]
    assert count_messages(parts, O200K) == Count(2 + 1 + 6 + tokens.IMAGE_HIGH, False)
    assert not count_messages(messages, O200K, tools=[{"type": "function", "function": {"name": "f"}}]).exact


@pytest.mark.parametrize(
    ("kind", "body", "counted"),
    [
        ("embedding", {"input": "hello world"}, Count(2, True)),
        ("embedding", {"input": ["hello world", "hello"]}, Count(3, True)),
        ("embedding", {"input": [1, 2, 3]}, Count(3, True)),
        ("embedding", {"input": [[1, 2], [3]]}, Count(3, True)),
        ("completion", {"prompt": "hello world", "suffix": "hello"}, Count(3, True)),
        ("chat", {"messages": [{"role": "user", "content": "hello world"}]}, Count(9, True)),
        ("responses", {"input": "hello world"}, Count(9, True)),
        ("responses", {"input": "hello world", "previous_response_id": "resp_1"}, Count(9, False)),
        ("transcript", {}, Count(0, False)),
    ],
)
def test_the_input_of_a_body(kind, body, counted):
    assert count_input(kind, body, O200K) == counted


_names = st.sampled_from(["role", "content", "type", "text", "image_url", "input", "name"])
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=4)),
    max_leaves=15,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["chat", "completion", "embedding", "responses", "image", "speech", "moderation", "x"]),
    st.dictionaries(st.sampled_from(["messages", "input", "prompt", "tools", "text", "instructions", "suffix"]), _json, max_size=4),
)
def test_no_body_is_too_strange_to_count(kind, body):
    assert count_input(kind, body, O200K).tokens >= 0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_pieces_are_the_text_and_its_tokens(text):
    cut = pieces(text, O200K)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert "".join(piece for piece, _ in cut) == text
    assert sum(counted for _, counted in cut) == count_text(text, O200K).tokens


def test_many_threads_load_once(monkeypatch):
    monkeypatch.setattr(encodings, "_loaded", {})
    reads = []
    real = encodings._read
    monkeypatch.setattr(encodings, "_read", lambda name: reads.append(name) or real(name))
    threads = [threading.Thread(target=count_text, args=("hello world", CL100K)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == ["cl100k_base"]


def test_nothing_is_loaded_before_the_first_count():
    program = "import sys; import doorward.providers.tokens; print('tiktoken' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "False"

"""The quick reading of a usual answer says what the forgiving one says, whatever stands in `usage`."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.wire.usage import of_answer, of_object
from doorward.wire.usage_said import _PARTS, Said, of_plain

counts = st.one_of(st.integers(0, 5000), st.none(), st.booleans(), st.just(-1), st.just(2**60), st.floats(0, 99), st.just("7"))
NAMES = [name for name in Said.__struct_fields__ if name not in _PARTS]


def parts(*names: str) -> st.SearchStrategy[object]:
    return st.one_of(st.dictionaries(st.sampled_from(names), counts), st.none(), st.just([]))


details = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("cached_tokens", "audio_tokens", "image_tokens", "reasoning_tokens", "cache_write_tokens"), counts),
            "cached_tokens_details": parts("audio_tokens", "image_tokens"),
        },
    ),
    st.none(),
    st.just(3),
)
said = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(NAMES, counts), **{name: details for name in _PARTS if name != "cached_tokens_details"}}
)


@settings(max_examples=200)
@given(said, st.one_of(st.none(), st.just("flex"), st.just(""), st.just(4)))
def test_both_readings_agree(said: dict[str, object], tier: object) -> None:
    answer = {"id": "x", "usage": said, "service_tier": tier}
    slow = of_object(answer, "chat")
    assert of_answer("chat", msgspec.json.encode(answer)).usage == slow
    quick = of_plain(msgspec.json.encode(answer))
    assert quick is None or quick == slow


def test_the_usual_answer_is_read_once() -> None:
    said = b'{"prompt_tokens":10,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}'
    found = of_plain(b'{"id":"a","choices":[],"usage":' + said + b"}")
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.cached_tokens) == (10, 3, 4)

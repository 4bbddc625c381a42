"""Usage as providers write it, in every place where it stands; and nothing of what they might write raises."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.usage import Usage
from doorward.wire import units
from doorward.wire.usage import MALFORMED, of_answer, of_event, of_tail

KINDS = ["chat", "completion", "responses", "embedding", "image", "speech", "transcript", "moderation", "later"]


def said(kind: str, answer: dict[str, Any]) -> Usage | None:
    return of_answer(kind, json.dumps(answer).encode()).usage


def test_chat_tells_cached_audio_and_reasoning_apart() -> None:
    usage = said(
        "chat",
        {
            "choices": [],
            "service_tier": "priority",
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 3},
            },
        },
    )
    assert usage == Usage(
        100,
        cached_tokens=60,
        input_audio_tokens=7,
        output_tokens=50,
        reasoning_tokens=20,
        output_audio_tokens=3,
        service_tier="priority",
    )


def test_responses_count_their_hosted_tools() -> None:
    usage = said(
        "responses",
        {
            "output": [{"type": "web_search_call"}, {"type": "message"}, {"type": "web_search_call"}, {"type": "file_search_call"}],
            "usage": {
                "input_tokens": 10,
                "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 1},
            },
        },
    )
    assert usage == Usage(10, cached_tokens=2, output_tokens=4, reasoning_tokens=1, web_searches=2, file_searches=1)


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("embedding", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8)),
        ("transcript", {"text": "a", "usage": {"type": "duration", "seconds": 12.5}}, Usage(seconds=12.5)),
        ("transcript", {"text": "a", "duration": 3.25}, Usage(seconds=3.25)),
        (
            "transcript",
            {"usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "input_token_details": {"audio_tokens": 14}}},
            Usage(14, output_tokens=5, input_audio_tokens=14),
        ),
        (
            "image",
            {
                "size": "1024x1024",
                "quality": "high",
                "data": [{}, {}],
                "usage": {"input_tokens": 9, "output_tokens": 4000, "input_tokens_details": {"image_tokens": 4, "text_tokens": 5}},
            },
            Usage(
                9,
                output_tokens=4000,
                input_image_tokens=4,
                output_image_tokens=4000,
                images=2,
                image_size="1024x1024",
                image_quality="high",
            ),
        ),
        (
            "chat",
            {"usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_cache_hit_tokens": 3}},
            Usage(5, cached_tokens=3, output_tokens=1),
        ),
    ],
)
def test_other_kinds(kind: str, answer: dict[str, Any], expected: Usage) -> None:
    assert said(kind, answer) == expected


def test_an_answer_without_usage_gives_its_text() -> None:
    message = {"content": "Hello", "tool_calls": [{"function": {"name": "f", "arguments": '{"a":1}'}}]}
    heard = of_answer("chat", json.dumps({"choices": [{"message": message}]}).encode())
    assert heard.usage is None
    assert heard.text == 'Hellof{"a":1}'


def test_events_of_chat() -> None:
    def event(**fields: Any) -> Any:
        return of_event("chat", json.dumps(fields).encode())

    assert event(choices=[{"delta": {"content": "Hi"}, "finish_reason": None}], usage=None).text == "Hi"
    last = event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert (last.only_usage, last.final) == (True, True)
    with_finish = event(choices=[{"delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert (with_finish.only_usage, with_finish.final) == (False, True)
    passing = event(choices=[{"delta": {"content": "a"}}], usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert (passing.usage is not None, passing.final) == (True, False)
    # Azure's first chunk has no choices and no usage: it is the client's
    assert not event(choices=[], prompt_filter_results=[]).only_usage


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        ("chat", [{"delta": {"content": "Hi"}, "finish_reason": None}]),
        ("chat", [{"delta": {"role": "assistant", "content": "Hi", "refusal": None}}]),
        ("chat", [{"delta": {"content": None, "reasoning_content": "so"}}]),
        ("chat", [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}}]),
        ("chat", [{"delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]),
        ("chat", [{"delta": {}, "finish_reason": "stop"}, {"delta": None, "finish_reason": "stop"}]),
        ("chat", [{"delta": {"content": [{"type": "text", "text": "part"}]}}]),
        ("completion", [{"text": "Hi", "finish_reason": None}, {"text": "ho", "finish_reason": "stop"}]),
    ],
)
def test_a_plain_chunk_says_what_it_says_to_the_careful_reader(kind: str, choices: list[Any]) -> None:
    plain = of_event(kind, json.dumps({"id": "c", "choices": choices, "usage": None}).encode())
    careful = of_event(kind, json.dumps({"id": "c", "choices": choices, "usage": "odd"}).encode())
    assert plain == careful
    assert plain.finished == sum(1 for choice in choices if choice.get("finish_reason"))


def test_what_is_no_json_is_told_apart() -> None:
    for kind in ("chat", "responses", "speech"):
        assert of_event(kind, b'{"choices":[') is MALFORMED
        assert of_event(kind, b"") is MALFORMED
        assert of_event(kind, b"[1]") is not MALFORMED
        assert of_event(kind, b'{"choices":"odd"}') is not MALFORMED
    assert of_event("chat", b"[" * 100_000) is MALFORMED


def test_an_error_in_a_stream_is_one_only_instead_of_an_end() -> None:
    assert of_event("chat", b'{"error":{"message":"out"}}').is_error
    assert of_event("chat", b'{"error":{"message":"out"},"choices":[]}').is_error
    assert not of_event("chat", b'{"error":null,"choices":[{"delta":{"content":"a"}}]}').is_error
    assert not of_event("chat", b'{"error":{"m":1},"choices":[{"delta":{},"finish_reason":"stop"}]}').is_error
    assert not of_event("responses", b'{"error":{"message":"out"}}').is_error


def test_events_of_responses_and_sound() -> None:
    done = {"type": "response.completed", "response": {"usage": {"input_tokens": 3, "output_tokens": 4}, "service_tier": "flex"}}
    heard = of_event("responses", json.dumps(done).encode())
    assert heard.usage == Usage(3, output_tokens=4, service_tier="flex")
    assert heard.final
    assert of_event("responses", b'{"type":"response.output_text.delta","delta":"ab"}').text == "ab"
    spoken = {"type": "speech.audio.done", "usage": {"input_tokens": 3, "output_tokens": 40}}
    assert of_event("speech", json.dumps(spoken).encode()).usage == Usage(3, output_tokens=40, output_audio_tokens=40)


def test_the_end_of_a_large_answer_is_enough() -> None:
    answer = json.dumps({"data": ["x" * 1000], "usage": {"prompt_tokens": 5, "details": {"a": 1}, "total_tokens": 5}}).encode()
    assert of_tail("embedding", answer[-200:]).usage == Usage(5)
    # text that speaks of "usage" is escaped inside a string, and other objects of that name have no tokens
    tricky = json.dumps(
        {"usage": {"prompt_tokens": 5}, "note": 'a "usage": {"prompt_tokens": 9}', "more": {"usage": {"x": 1}}}
    ).encode()
    assert of_tail("embedding", tricky).usage == Usage(5)
    assert of_tail("embedding", b'"usage": {"prompt_tok').usage is None


@pytest.mark.parametrize("wrong", [-1, True, "5", None, 1.5e300, 2**60, [], {}])
def test_a_count_of_the_wrong_kind_is_absent(wrong: object) -> None:
    assert said("chat", {"usage": {"prompt_tokens": wrong, "completion_tokens": 2}}) == Usage(0, output_tokens=2)


def test_a_part_is_never_more_than_its_whole() -> None:
    usage = said("chat", {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 500}}})
    assert usage is not None
    assert usage.cached_tokens == 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["usage", "choices", "delta", "message", "response", "data", "type", "output", "content", "prompt_tokens", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(KINDS), json_values)
@settings(max_examples=150, deadline=None)
def test_no_shape_raises(kind: str, value: Any) -> None:
    data = json.dumps(value).encode()
    of_event(kind, data)
    of_answer(kind, data)
    of_tail(kind, data)


@given(st.sampled_from(KINDS), st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_no_bytes_raise(kind: str, data: bytes) -> None:
    of_event(kind, data)
    of_answer(kind, data)
    of_tail(kind, b'"usage":{' + data)


def wav(seconds: float, rate: int = 8000) -> bytes:
    size = int(seconds * rate)
    form = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVEfmt ", 16, 1, 1, rate, rate, 1, 8, b"data", size)
    return form + bytes(size)


def test_a_recording_is_measured_or_estimated() -> None:
    upload = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + wav(2.0)
    seconds, measured = units.audio_seconds(upload, len(upload))
    assert measured
    assert seconds == pytest.approx(2.0, abs=0.02)
    assert units.audio_seconds(b"ID3", 80_000) == (10.0, False)


def test_fields_of_a_form() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = part % (b"size", b"512x512") + part % (b"x", b"1")
    assert units.form_fields(form) == {"size": "512x512"}


def test_cached_sound_and_images_are_told_apart() -> None:
    details = {
        "cached_tokens": 60,
        "audio_tokens": 40,
        "image_tokens": 30,
        "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20, "image_tokens": 10},
    }
    usage = said("responses", {"usage": {"input_tokens": 100, "output_tokens": 2, "input_token_details": details}})
    assert usage is not None
    assert (usage.cached_tokens, usage.cached_audio_tokens, usage.cached_image_tokens) == (60, 20, 10)

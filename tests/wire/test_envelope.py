"""One shape for every error; nothing that looks like a key leaves in one."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core import errors
from doorward.wire import envelope
from doorward.wire.scrub import Scrubber, scrub
from doorward.wire.sse import Splitter, data_of

AROUND = [
    "{}",
    "Incorrect API key provided: {}. You can find it",
    '{{"error": "{}"}}',
    "a\\n{}\\n",
    "a%20{}%20",
    "Bearer {}",
    "\\nBearer {}",
]
KEYS = [
    "sk-abcdefghijklmnopqrstuvwx",
    "sk-proj-Ab1_Cd2-Ef3Gh4Ij5Kl6Mn7Op8Qr9",
    "sk-ant-api03-Ab1_Cd2-Ef3Gh4Ij5Kl6",
    "sk-svcacct-Ab1Cd2Ef3Gh4",
    "sk-abc***********wxyz",
    "sk-proj-********************wxyz",
    "dw-abcdefghjkmn2345-" + "A1_" * 14 + "b",
    "gsk_Ab1Cd2Ef3Gh4Ij5Kl6",
    "xai-Ab1Cd2Ef3Gh4Ij5Kl6",
    "AIzaSyAb1Cd2Ef3Gh4Ij5Kl6",
    "hf_Ab1Cd2Ef3Gh4Ij5Kl6",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AbCdEf-123_456",
]
ANNOUNCED = [
    "Bearer 0123456789abcdef0123456789abcdef",
    "bearer test-upstream-key",
    "api key provided: test-upstream-key",
    "Incorrect API key provided: my_own_secret_value.",
    '"api_key": "0123456789abcdef"',
    "api-key: 0123456789abcdef",
    "x-api-key=0123456789abcdef",
    "Authorization: 0123456789abcdef",
    "key: 0123456789abcdef",
]


def _secret(text: str) -> str:
    return text.rstrip('".').split(" ")[-1].strip('"').split("=")[-1]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", AROUND)
def test_a_key_is_scrubbed_wherever_it_stands(key: str, around: str) -> None:
    cleaned = scrub(around.format(key).encode()).decode()
    assert "***" in cleaned
    for length in (len(key), 12):
        assert key[:length] not in cleaned
    assert key[-4:] not in cleaned.replace("You can find it", "")


@pytest.mark.parametrize("text", ANNOUNCED)
def test_an_announced_key_of_any_shape_is_scrubbed(text: str) -> None:
    assert _secret(text) not in scrub(text.encode()).decode()
    assert _secret(text) not in scrub(json.dumps({"message": text}).encode()).decode()


def test_a_key_spelt_with_escapes_is_scrubbed() -> None:
    plain = "sk-proj-Ab1_Cd2-Ef3Gh4Ij5Kl6"
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in plain)
    mixed = plain.replace("-", "\\u002d")
    for text in (escaped, mixed, plain.replace("-", "%2D")):
        assert scrub(f'{{"message":"key {text} is bad"}}'.encode()) == b'{"message":"key *** is bad"}'


@pytest.mark.parametrize(
    "text",
    [
        "The model `gpt-4o` does not exist",
        "Unknown key: response_format",
        "Invalid value for 'tools[0].function.parameters'",
        "This model's maximum context length is 8192 tokens, you asked for 10000 tokens: 9000 in the messages",
        "task-based desk-jockey risk-averse",
        "Previous response with id 'resp_68a1b2c3d4e5f6a7b8c9d0' not found",
        "Use a key of the form sk-… in the dashboard",
        '{"max_tokens": 123456789012, "request_id": "req_0123456789abcdef0123456789abcdef"}',
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert scrub(text.encode()).decode() == text


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KEYS + ANNOUNCED), st.integers(0, 1500), st.integers(0, 1500), st.lists(st.integers(0, 3100), max_size=8))
def test_pieces_hide_no_key_and_change_nothing_else(key: str, before: int, after: int, cuts: list[int]) -> None:
    text = (b"word " * before)[:before] + b' "' + key.encode() + b'" ' + (b" more" * after)[:after]
    edges = sorted({min(cut, len(text)) for cut in cuts})
    scrubber = Scrubber()
    pieces = [scrubber.feed(text[start:end]) for start, end in zip([0, *edges], [*edges, len(text)], strict=True)]
    assert b"".join([*pieces, scrubber.end()]) == scrub(text)


@pytest.mark.parametrize("key", KEYS + ANNOUNCED)
def test_a_key_at_the_edge_of_what_is_held_is_hidden(key: str) -> None:
    """Wherever that edge falls: before the key, in each place of it, behind it."""
    text = b"word " * 200 + b'"' + key.encode() + b'"' + b" more" * 200
    for shown in range(998, 1004 + len(key)):
        scrubber = Scrubber()
        edge = shown + 512
        sent = scrubber.feed(text[:edge]) + scrubber.feed(text[edge:]) + scrubber.end()
        assert sent == scrub(text)


def test_a_run_without_end_is_not_held_for_ever() -> None:
    scrubber = Scrubber()
    sent = b"".join(scrubber.feed(b"sk-" + b"A1b2" * 1000 if not number else b"A1b2" * 1000) for number in range(100))
    sent += scrubber.feed(b" the end") + scrubber.end()
    assert sent == b"*** the end"


ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DoorwardError)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_the_shape(kind: type[errors.DoorwardError]) -> None:
    error = kind("What to do next.", param="model")
    headers, body = envelope.answer(error, "req_1")
    assert json.loads(body) == {"error": {"message": "What to do next.", "type": error.type, "param": "model", "code": error.code}}
    assert dict(headers)[b"content-length"] == str(len(body)).encode()
    assert dict(headers)[b"x-request-id"] == b"req_1"
    assert dict(headers)[b"x-should-retry"] == b"false"
    assert envelope.headers(error, "req_1") == headers


def test_a_short_wait_is_told_in_seconds_and_milliseconds() -> None:
    headers = dict(envelope.headers(errors.LimitExceeded("Wait.", retry_after_s=1.2), "r"))
    assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (b"2", b"1200")
    assert b"x-should-retry" not in headers
    assert dict(envelope.headers(errors.LimitExceeded("Wait.", retry_after_s=90), "r"))[b"x-should-retry"] == b"false"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_message_is_one_event(message: str) -> None:
    """No line break, no lone surrogate, nothing of a model's text can end the event or begin another."""
    event = envelope.event(errors.UpstreamLost(message))
    assert Splitter().feed(event) == [event]
    assert set(json.loads(data_of(event) or b"")) == {"error"}
    assert event.count(b"\n") == 2
    assert b"\r" not in event


def test_a_lone_surrogate_does_not_lose_the_error() -> None:
    assert json.loads(envelope.body(errors.BadRequest("a\ud800b")))["error"]["message"] == "a?b"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"m","type":"t","param":"p","code":"c"}}', ("m", "t", "p", "c")),
        (b'{"error":{"message":"m","type":null,"param":null,"code":429,"status":"X"}}', ("m", None, None, "429")),
        (b'[{"error":{"message":"m","status":"NOT_FOUND"}}]', ("m", None, None, "NOT_FOUND")),
        (b'{"error":"m"}', ("m", None, None, None)),
        (b'{"message":"m","code":"c"}', ("m", None, None, "c")),
        (b'{"detail":"m"}', ("m", None, None, None)),
        (b'{"error":{"message":"key sk-abcdefghijklmnop is bad"}}', ("key *** is bad", None, None, None)),
        (b"<html>502</html>", ("", None, None, None)),
        (b"", ("", None, None, None)),
        (b"[]", ("", None, None, None)),
        (b'{"error":{"message":{"a":1},"code":true}}', ("", None, None, None)),
        (b"[" * 100_000, ("", None, None, None)),
        (b'"\xff"', ("", None, None, None)),
    ],
)
def test_upstreams_errors_are_read_whatever_their_shape(body: bytes, expected: tuple[str, ...]) -> None:
    read = envelope.read_upstream(body)
    assert (read.message, read.type, read.param, read.code) == expected


def test_scrubbing_a_large_body_is_linear() -> None:
    chance = random.Random(1)
    text = bytes(chance.choices(b'abcdefghijk-_ key:sk-\\u00"*Bearer ', k=300_000))
    assert len(scrub(text)) > 0
    assert scrub(b"api key : " * 30_000)
    assert scrub(b"\\u0073" * 50_000)

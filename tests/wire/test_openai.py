"""What we read of a JSON body, and that setting a field changes nothing else."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import BadRequest
from doorward.wire import fields, openai


def test_reads_the_fields_of_a_chat_call() -> None:
    asks = openai.read_asks(
        b'{"model":"gpt-4o-mini","stream":true,"n":3,"max_tokens":7,"service_tier":"flex","stream_options":{"include_usage":true},"x":1}'
    )
    assert (asks.model, asks.stream, asks.n, asks.max_output_tokens, asks.service_tier) == ("gpt-4o-mini", True, 3, 7, "flex")
    assert asks.include_usage


def test_null_means_not_set() -> None:
    asks = openai.read_asks(b'{"model":"m","stream":null,"n":null,"max_tokens":null,"stream_options":null,"service_tier":null}')
    assert (asks.stream, asks.n, asks.max_output_tokens, asks.include_usage) == (False, 1, None, False)


def test_the_largest_of_several_limits_is_the_bound() -> None:
    assert openai.read_asks(b'{"max_tokens":5,"max_completion_tokens":9}').max_output_tokens == 9


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":1}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"a\\nb"}', "model"),
        (b'{"model":"\xff"}', "model"),
        (b'{"model":"' + b"m" * 300 + b'"}', "model"),
        (b'{"stream":"yes"}', "stream"),
        (b'{"n":0}', "n"),
        (b'{"n":1.5}', "n"),
        (b'{"max_tokens":"many"}', "max_tokens"),
        (b'{"stream_options":[]}', "stream_options"),
        (b'{"stream_options":{"include_usage":1}}', "stream_options.include_usage"),
        (b'{"stream_options":{"include_usage":false,"include_usage":true}}', "stream_options"),
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","mod\\u0065l":"b"}', "model"),
        (b'{"n":1,"x":"n","n":12}', "n"),
        (b'{"n":12,"x":"n","n":1}', "n"),
        (b'{"messages":[1],"messages":[2]}', "messages"),
        (b'{"previous_response_id":7}', "previous_response_id"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        openai.read_asks(body)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense-hunter2",
        b'{"model":"m",}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1} x',
        b'"hunter2"',
        b"[]",
        b"null",
        b"1",
    ]
    + [b'{"hunter2":"\x01"}', b'{"\xff":1}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b'{"a":' + b"[" * 201 + b"]" * 201 + b"}"]
    + [b'{"a":' + b'[{"b":' * 300_000, b'{"a":' + b"[" * 300_000 + b"]" * 300_000 + b"}"],
)
def test_what_is_no_json_object_is_refused_without_its_content(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        openai.read_asks(body)
    assert "hunter2" not in refused.value.message


def test_depth_counts_nesting_not_brackets() -> None:
    wide = json.dumps({"model": "m", "messages": [{"content": ['[[[[{{"\\']} for _ in range(2000)]}).encode()
    assert openai.read_asks(wide).model == "m"
    assert fields.is_deeper_than(b"[" * 201 + b"]" * 201, 200)
    assert not fields.is_deeper_than(b"[" * 200 + b"]" * 200, 200)


def test_object_ids_where_the_reference_lets_a_body_carry_them() -> None:
    body = {
        "previous_response_id": "resp_1",
        "conversation": {"id": "conv_1"},
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_file", "file_id": "file-1"}, {"type": "input_image", "file_id": "file-2"}],
            },
            {"type": "item_reference", "id": "msg_1"},
            {"type": "message", "id": "msg_not_a_reference", "content": "file-not-an-id"},
        ],
        "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-3"}}]}],
        "tools": [
            {"type": "file_search", "vector_store_ids": ["vs_1"]},
            {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-4"]}},
            {"type": "code_interpreter", "container": "cntr_1"},
        ],
    }
    ids = openai.read_asks(json.dumps(body).encode()).object_ids
    assert set(ids) >= {"resp_1", "conv_1", "file-1", "file-2", "msg_1", "file-3", "vs_1", "file-4", "cntr_1"}
    assert not {"msg_not_a_reference", "file-not-an-id", "auto"} & set(ids)


def test_an_id_under_a_key_spelt_with_escapes_is_found() -> None:
    assert openai.read_asks(b'{"input":[{"\\u0066ile\\u005fid":"file-1"}]}').object_ids == ("file-1",)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"model":"b"}'),
        (b' {\n "x" : 1e400,\t"model" :\r"a" , "y":{"model":"a"} } ', b' {\n "x" : 1e400,\t"model" :\r"b" , "y":{"model":"a"} } '),
        (b'{"x":"\\"model\\":\\"a\\"","model":null}', b'{"x":"\\"model\\":\\"a\\"","model":"b"}'),
        (b'{"x":{"model":"}"},"m\\u006fdel":"a"}', b'{"x":{"model":"}"},"m\\u006fdel":"b"}'),
        (b"{}", b'{"model":"b"}'),
        (b'{ "x":[] }', b'{ "x":[] ,"model":"b"}'),
        (b'{"t":1,"t":12,"model":[1,"]"]}', b'{"t":1,"t":12,"model":"b"}'),
    ],
)
def test_only_the_field_changes(before: bytes, after: bytes) -> None:
    assert openai.with_model(before, "b") == after


def test_include_usage_keeps_other_options() -> None:
    assert openai.with_include_usage(b'{"a":1}') == b'{"a":1,"stream_options":{"include_usage":true}}'
    assert openai.with_include_usage(b'{"stream_options":null}') == b'{"stream_options":{"include_usage":true}}'
    body = b'{"stream_options": {"include_obfuscation": false, "include_usage":false} }'
    assert openai.with_include_usage(body) == b'{"stream_options": {"include_obfuscation": false, "include_usage":true} }'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('model"\\{}[]:, é', max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["model", "a", "b", "mod", 'q"', "\\", "é"]), JSON), max_size=6),
    st.booleans(),
    st.sampled_from(["", " ", "\n\t ", "\r"]),
)
def test_any_object_keeps_every_other_byte(members: list[tuple[str, object]], ascii_only: bool, space: str) -> None:
    """Doubled keys, any spelling and spacing: what stood around the model stands, what is read back is the new one."""

    def text(model: str | None) -> bytes:
        pieces = [
            json.dumps(key, ensure_ascii=ascii_only)
            + space
            + ":"
            + space
            + (
                json.dumps(model)
                if key == "model" and model
                else json.dumps(value, ensure_ascii=ascii_only, separators=("," + space, ":" + space))
            )
            for key, value in members
        ]
        return (space + "{" + space + (space + "," + space).join(pieces) + space + "}" + space).encode()

    if any(key == "model" for key, _ in members):
        assert openai.with_model(text(None), "new") == text("new")
    assert json.loads(openai.with_model(text(None), "new"))["model"] == "new"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",:\\ amodel01', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        openai.read_asks(body)


def test_a_body_made_to_fool_the_walk_by_lengths_is_seen_through() -> None:
    """The lengths of the last `model` and of `x` lead, from the first `model`, to a key inside an object and on to the end."""
    body = b'{"model":1,"x":777,"model":{"k":1,"x":          12}}'
    assert [(field.name, body[field.start : field.end]) for field in fields.find(body)] == [
        ("model", b"1"),
        ("x", b"777"),
        ("model", b'{"k":1,"x":          12}'),
    ]


def test_a_large_body_is_quick() -> None:
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "words and more " * 400} for _ in range(20)]}
    ).encode()
    started = time.perf_counter()
    for _ in range(20):
        openai.with_model(body, openai.read_asks(body).model or "")
    assert (time.perf_counter() - started) / 20 < 0.02  # about 0.3 ms on a quiet machine

"""Events split at their ends, whatever the chunks; no byte lost, none added."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.wire.sse import EventTooLarge, Splitter, data_of, is_done

ENDS = [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\r\r\n"]


@pytest.mark.parametrize("end", ENDS)
def test_every_kind_of_empty_line_ends_an_event(end: bytes) -> None:
    stream = b"data: 1" + end + b": comment" + end + b"data: [DONE]" + end + b"x"
    splitter = Splitter()
    events = splitter.feed(stream)
    assert events == [b"data: 1" + end, b": comment" + end, b"data: [DONE]" + end]
    assert splitter.rest == b"x"
    assert [data_of(event) for event in events] == [b"1", None, b"[DONE]"]
    assert [is_done(event) for event in events] == [False, False, True]


def test_a_return_at_the_edge_waits_for_its_line_feed() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: 1\r\n\r") == []
    assert splitter.feed(b"\ndata: 2\r\r") == [b"data: 1\r\n\r\n"]
    assert splitter.rest == b"data: 2\r\r"
    assert splitter.feed(b"d") == [b"data: 2\r\r"]


@pytest.mark.parametrize("line", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85"])
def test_what_python_calls_a_line_end_is_text_here(line: str) -> None:
    event = f"data: a{line}data: b\n\n".encode()
    assert Splitter().feed(event) == [event]
    assert data_of(event) == f"a{line}data: b".encode()


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data:1\n\n", b"1"),
        (b"data:  1\n\n", b" 1"),
        (b"data\n\n", b""),
        (b"data: \n\n", b""),
        (b"data: a\ndata: b\r\ndata:c\r\n\r\n", b"a\nb\nc"),
        (b"event: error\nid: 1\ndata: x\n\n", b"x"),
        (b"datax: 1\n\n", None),
        (b"event: ping\n\n", None),
        (b"\n\n", None),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes | None) -> None:
    assert data_of(event) == data


def test_an_event_over_the_cap_is_an_error_in_one_piece_and_in_many() -> None:
    with pytest.raises(EventTooLarge):
        Splitter(10).feed(b"data: 123456\n\n")
    splitter = Splitter(10)
    for _ in range(10):
        assert splitter.feed(b"a") == []
    with pytest.raises(EventTooLarge):
        splitter.feed(b"a")
    assert Splitter(10).feed(b"data: 1\n\n" * 5) == [b"data: 1\n\n"] * 5


PIECES = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"x", "é\u2028".encode(), b": ", b"\r\n\r\n", b"\x00"])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30), st.data())
def test_chunks_do_not_matter(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    whole = Splitter()
    expected = whole.feed(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    splitter = Splitter()
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += splitter.feed(stream[start:end])
    assert events == expected
    assert splitter.rest == whole.rest
    assert b"".join(events) + splitter.rest == stream

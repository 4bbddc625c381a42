"""Joining a second answer to the first where it broke off: a byte prefix, or nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.relay.splice import Differs, Splice, Told, continued


def event(text: str | None = None, *, role: bool = False, finish: str | None = None) -> bytes:
    delta: dict[str, str] = {"role": "assistant", "content": ""} if role else {}
    if text is not None:
        delta["content"] = text
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


async def stream(events: list[bytes]) -> AsyncIterator[bytes]:
    for item in events:
        yield item


def told(*texts: str) -> Told:
    heard = Told("chat")
    heard.saw(event(role=True))
    for text in texts:
        heard.saw(event(text))
    return heard


async def joined(had: Told, events: list[bytes]) -> list[bytes]:
    return [item async for item in Splice(had, "chat").through(stream(events))]


def text_of(events: list[bytes]) -> str:
    return "".join(Told("chat").text_of(item) for item in events)


def pieces(text: str, cuts: list[int]) -> list[str]:
    at = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in zip(at, at[1:], strict=False)]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=8), st.lists(st.integers(0, 40), max_size=8))
async def test_whatever_the_pieces_the_whole_is_the_answer(text: str, broke: int, first: list[int], second: list[int]) -> None:
    had = told(*pieces(text[:broke], first))
    events = [event(role=True), *(event(piece) for piece in pieces(text, second)), event(finish="stop"), DONE]
    rest = await joined(had, events)
    assert text[:broke] + text_of(rest) == text
    assert rest[-1] == DONE
    assert sum(b'"finish_reason": "stop"' in item or b'"finish_reason":"stop"' in item for item in rest) == 1
    assert not any(b'"role"' in item for item in rest), "the client's message is open already"


async def test_a_finish_on_the_seam_is_passed_on() -> None:
    rest = await joined(told("one ", "two"), [event(role=True), event("one "), event("two", finish="stop"), DONE])
    assert text_of(rest) == ""
    assert b"stop" in rest[0]


@pytest.mark.parametrize(
    "events",
    [
        [event("one "), event("other")],
        [event("on"), event("E")],
        [event(finish="stop"), DONE],
        [event("one "), event(finish="stop")],
        [event("one ", finish="stop")],
    ],
)
async def test_another_answer_is_not_joined_on(events: list[bytes]) -> None:
    with pytest.raises(Differs):
        await joined(told("one ", "two"), events)


async def test_an_answer_that_ends_too_early_is_another_one() -> None:
    with pytest.raises(Differs):
        await joined(told("one ", "two"), [event("one ")])


@pytest.mark.parametrize(
    ("seam", "begins", "goes_on"),
    [(" ", " three", "three"), (" ", "three", "three"), ("", " three", " three"), ("\n\n", "\nthree", "three")],
)
async def test_white_space_at_the_seam_is_said_once(seam: str, begins: str, goes_on: str) -> None:
    rest = [item async for item in continued(stream([event(role=True), event(begins), event(" four"), DONE]), seam)]
    assert text_of(rest) == goes_on + " four"
    assert not any(b'"role"' in item for item in rest)


def test_half_a_tool_call_cannot_be_continued() -> None:
    heard = told("one")
    assert heard.can_continue
    heard.saw(b'data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}\n\n')
    assert not heard.can_continue

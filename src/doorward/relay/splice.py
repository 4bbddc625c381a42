"""What a client was told of an answer, and joining a second answer to it where the first broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from doorward.wire.sse import Splitter, data_of

MOST_BYTES = 16 * 2**20
"""Of an answer's events that are kept for a rescue; longer ones are not continued."""


class Differs(Exception):
    """The second answer does not say what the client was told of the first: it cannot be joined on."""


_NOT_TEXT = ("tool_calls", "function_call", "audio", "refusal")
"""Half of one of these cannot be told from a whole one, so an answer with them is not continued."""


def _decoded(event: bytes) -> dict[str, Any] | None:
    data = data_of(event)
    if not data or data == b"[DONE]":
        return None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _choice(value: dict[str, Any] | None) -> dict[str, Any]:
    choices = value.get("choices") if value else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


class Told:
    """What has reached the client: its text, and whether a continuation can be honest.

    Events are kept as they went out, and read only when an answer has died: hardly any does.
    """

    __slots__ = ("_can_continue", "_events", "_kind", "_parts", "_size")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._events: list[bytes] = []
        self._parts: list[str] = []
        self._size = 0
        self._can_continue = True

    @property
    def text(self) -> str:
        self._read()
        return "".join(self._parts)

    @property
    def can_continue(self) -> bool:
        self._read()
        return self._can_continue

    def saw(self, events: bytes) -> None:
        """Whole events, one or several."""
        self._size += len(events)
        if self._size <= MOST_BYTES:
            self._events.append(events)
        elif self._can_continue:
            self._can_continue = False
            self._events.clear()
            self._parts.clear()

    def _read(self) -> None:
        events, self._events = self._events, []
        for event in Splitter().feed(b"".join(events)):
            choice = _choice(_decoded(event))
            delta = choice.get("delta")
            if isinstance(delta, dict) and any(delta.get(name) for name in _NOT_TEXT):
                self._can_continue = False
            self._parts.append(self._text(choice))

    def text_of(self, event: bytes) -> str:
        return self._text(_choice(_decoded(event)))

    def _text(self, choice: dict[str, Any]) -> str:
        if self._kind == "completion":
            found = choice.get("text")
        else:
            delta = choice.get("delta")
            found = delta.get("content") if isinstance(delta, dict) else None
        return found if isinstance(found, str) else ""


class Splice:
    """Swallows the part that the client has, then passes on. Raises `Differs` where the texts part."""

    def __init__(self, told: Told, kind: str) -> None:
        self._had = told.text
        self._kind = kind

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        at = 0
        had, size = self._had, len(self._had)
        reader = Told(self._kind)
        async for event in _each(chunks):
            if at >= size:
                # Everything the client has was said again; an opening event would open a second message.
                if at > 0 or not _opens(event):
                    yield event
                continue
            text = reader.text_of(event)
            ends = bool(_choice(_decoded(event)).get("finish_reason"))
            end = at + len(text)
            if had[at : min(end, size)] != text[: size - at] or (ends and end < size):
                raise Differs  # also one that ended before it got to where the first one was
            if end > size or ends:
                yield cut(event, self._kind, text[size - at :])
            at = end
        if at < size:
            raise Differs


async def continued(chunks: AsyncIterator[bytes], seam: str) -> AsyncIterator[bytes]:
    """A chat that goes on from where the client's broke off, in the client's open message.

    `seam` is white space that the client has and the model was not told of: if it begins with it again, once is enough.
    """
    reader = Told("chat")
    at_seam = True
    async for event in _each(chunks):
        if at_seam and _opens(event):
            continue
        text = reader.text_of(event) if at_seam else ""
        if not text:
            yield event
            continue
        at_seam = False
        again = next(size for size in range(len(seam), -1, -1) if text.startswith(seam[len(seam) - size :]))
        yield cut(event, "chat", text[again:])


async def _each(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Event by event, where several came together."""
    splitter = Splitter()
    async for chunk in chunks:
        for event in splitter.feed(chunk):
            yield event


def cut(event: bytes, kind: str, rest: str) -> bytes:
    """The event that crosses the seam, with only what is new."""
    value = _decoded(event)
    assert value is not None
    choice = value["choices"][0]
    if kind == "completion":
        choice["text"] = rest
    else:
        choice["delta"]["content"] = rest
        choice["delta"].pop("role", None)
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _opens(event: bytes) -> bool:
    delta = _choice(_decoded(event)).get("delta")
    return isinstance(delta, dict) and "role" in delta and not delta.get("content")

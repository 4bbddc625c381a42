"""What a client was told of an answer, and joining a second answer to it where the first broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.wire.sse import data_of

MOST_TEXT_CHARS = 4 * 2**20
"""Of an answer that is remembered for a rescue; longer ones are not continued."""


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
    """The text that has reached the client, and whether a continuation can be honest."""

    __slots__ = ("_kind", "_parts", "_size", "can_continue")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._parts: list[str] = []
        self._size = 0
        self.can_continue = True

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def saw(self, event: bytes) -> None:
        choice = _choice(_decoded(event))
        delta = choice.get("delta")
        if isinstance(delta, dict) and (
            delta.get("tool_calls") or delta.get("function_call") or delta.get("audio") or delta.get("refusal")
        ):
            self.can_continue = False
        text = self._text(choice)
        if text:
            self._parts.append(text)
            self._size += len(text)
            self.can_continue = self.can_continue and self._size <= MOST_TEXT_CHARS

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
    """Swallows the part that the client has, then passes on. A different text ends in the error that began it."""

    def __init__(self, told: Told, kind: str) -> None:
        self._had = told.text
        self._kind = kind

    async def through(self, chunks: AsyncIterator[bytes], died: UpstreamLost | UpstreamSilent) -> AsyncIterator[bytes]:
        at = 0
        had, size = self._had, len(self._had)
        reader = Told(self._kind)
        async for event in chunks:
            if at >= size:
                # Everything the client has was said again; an opening event would open a second message.
                if at > 0 or not _opens(event):
                    yield event
                continue
            text = reader.text_of(event)
            if not text:
                if _choice(_decoded(event)).get("finish_reason"):
                    raise died  # it ended before it got to where the first one was
                continue
            end = at + len(text)
            if had[at : min(end, size)] != text[: size - at]:
                raise died
            if end > size:
                yield self._cut(event, text[size - at :])
            at = end

    def _cut(self, event: bytes, rest: str) -> bytes:
        """The event that crosses the seam, with only what is new."""
        value = _decoded(event)
        assert value is not None
        choice = value["choices"][0]
        if self._kind == "completion":
            choice["text"] = rest
        else:
            choice["delta"]["content"] = rest
            choice["delta"].pop("role", None)
        return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _opens(event: bytes) -> bool:
    delta = _choice(_decoded(event)).get("delta")
    return isinstance(delta, dict) and "role" in delta and not delta.get("content")

"""What listens to an answer's bytes for its usage: one listener a form. They change nothing but the one chunk that we asked for."""

from __future__ import annotations

from typing import Protocol

from doorward.core.usage import Usage
from doorward.wire import usage as reader
from doorward.wire.sse import EventTooLarge, Splitter, data_of
from doorward.wire.usage import Heard

WHOLE_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
TEXT_CHARS = 1 << 18
"""Delivered text is kept up to this length, to be counted if the stream is cut; beyond, only its length."""


class Listener(Protocol):
    usage: Usage | None
    final: bool
    """The upstream has said what the answer costs; nothing is left to count."""

    def saw(self, chunk: bytes) -> bytes:
        """The bytes to pass on."""

    def hears(self, said: Heard) -> bool:
        """What an event says, where somebody else has read it -> whether the client must not see it."""

    def rest(self) -> bytes:
        """Bytes held back, at the end."""

    def delivered(self) -> tuple[str, int]:
        """Text that the client got, and the characters beyond what was kept."""


class StreamListener:
    """Server-sent events. `hides_usage`: the chunk that only carries usage was not asked for by the client."""

    __slots__ = ("_beyond", "_chars", "_hides_usage", "_kind", "_splitter", "_texts", "final", "usage")

    def __init__(self, kind: str, *, hides_usage: bool) -> None:
        self.usage: Usage | None = None
        self.final = False
        self._kind = kind
        self._hides_usage = hides_usage
        self._splitter: Splitter | None = Splitter()
        self._texts: list[str] = []
        self._chars = 0
        self._beyond = 0

    def saw(self, chunk: bytes) -> bytes:
        if self._splitter is None:
            return chunk
        held_before = self._splitter.rest if self._hides_usage else b""
        try:
            events = self._splitter.feed(chunk)
        except EventTooLarge:
            # no stream of events: it passes, unread
            self._splitter = None
            return held_before + chunk
        hidden = False
        kept = []
        for event in events:
            if self._hears(event):
                hidden = True
            else:
                kept.append(event)
        if not self._hides_usage:
            return chunk
        # an event in parts waits for its end: only then is it known whether it goes on
        return b"".join(kept) if hidden or len(kept) != 1 else kept[0]

    def _hears(self, event: bytes) -> bool:
        """Listen -> whether the client must not see this one."""
        data = data_of(event)
        if data is None or data == b"[DONE]":
            return False
        return self.hears(reader.of_event(self._kind, data))

    def hears(self, said: Heard) -> bool:
        if text := said.text:
            if self._chars < TEXT_CHARS:
                self._texts.append(text)
                self._chars += len(text)
            else:
                self._beyond += len(text)
        if said.usage is None:
            return False
        self.usage = said.usage
        self.final = self.final or said.final
        return self._hides_usage and said.only_usage

    def rest(self) -> bytes:
        return self._splitter.rest if self._splitter is not None and self._hides_usage else b""

    def delivered(self) -> tuple[str, int]:
        return "".join(self._texts), self._beyond


class AnswerListener:
    """A JSON answer: kept whole up to 1 MiB, beyond that only its end, where usage stands."""

    __slots__ = ("_cut", "_kind", "_pieces", "_size", "_text", "final", "usage")

    def __init__(self, kind: str) -> None:
        self.usage: Usage | None = None
        self.final = False
        self._kind = kind
        self._pieces: list[bytes] = []
        self._size = 0
        self._cut = 0
        self._text: str | None = None

    def saw(self, chunk: bytes) -> bytes:
        self._pieces.append(chunk)
        self._size += len(chunk)
        if self._size > WHOLE_BYTES:
            tail = b"".join(self._pieces)[-TAIL_BYTES:]
            self._cut += self._size - len(tail)
            self._pieces, self._size = [tail], len(tail)
        return chunk

    def complete(self) -> None:
        """The answer is whole: read it."""
        data = b"".join(self._pieces)
        heard: Heard = reader.of_tail(self._kind, data) if self._cut else reader.of_answer(self._kind, data)
        self.usage, self.final = heard.usage, heard.final
        if not self._cut and heard is not reader.NOTHING:
            self._text = heard.text
        self._pieces = [] if self.final or not self._cut else [data]

    def hears(self, said: Heard) -> bool:
        return False

    def rest(self) -> bytes:
        return b""

    def delivered(self) -> tuple[str, int]:
        """Of an answer that was cut, broken, or too large to keep, its bytes stand for its text."""
        return (self._text, 0) if self._text is not None else ("", self._size + self._cut)


class SizeListener:
    """Sound, text, anything else: only its size is known."""

    __slots__ = ("final", "size", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.final = False
        self.size = 0

    def saw(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        return chunk

    def hears(self, said: Heard) -> bool:
        return False

    def rest(self) -> bytes:
        return b""

    def delivered(self) -> tuple[str, int]:
        return "", self.size

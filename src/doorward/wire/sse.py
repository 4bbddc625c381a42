"""Server-sent events as bytes: split where an event ends, look inside, never encode again.

A line ends with LF, CR LF or CR, and an event with an empty line; nothing else separates (which is
why `splitlines` is not used: it also breaks at U+2028, form feeds and others that model text may hold).
"""

from __future__ import annotations

import re

MAX_EVENT_BYTES = 16 * 2**20

# A lone CR is known as such only by the byte after it: a CR at the end of what has arrived waits.
_EOL = rb"(?:\r?\n|\r(?=[^\n]))"
_END = re.compile(_EOL + _EOL)
_LINE = re.compile(rb"\r\n|\n|\r")
_LONGEST_END = 4
_CR = 13
"""As a number: looking for one byte so costs a tenth of looking for `b"\r"`."""


class EventTooLarge(ValueError):
    """An event outgrew its cap: this is not a stream of events."""


class Splitter:
    """Feed chunks, get complete events with their terminator. Joined with `rest`, no byte is lost or added."""

    __slots__ = ("_held", "_max_event_bytes", "_searched")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._held = bytearray()
        self._searched = 0
        self._max_event_bytes = max_event_bytes

    @property
    def rest(self) -> bytes:
        """What is held: the start of an event that is not complete."""
        return bytes(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes. Raises `EventTooLarge`."""
        held = self._held
        # One whole event: nearly always of one line, which is seen by counting; else by where its end is.
        if (
            not held
            and data.endswith(b"\n\n")
            and _CR not in data
            and len(data) <= self._max_event_bytes
            and (data.count(b"\n") == 2 or data.find(b"\n\n") == len(data) - 2)
        ):
            return [data]
        held += data
        events = []
        start = 0
        search = self._searched
        while end := _END.search(held, search):
            events.append(bytes(held[start : end.end()]))
            start = search = end.end()
            if len(events[-1]) > self._max_event_bytes:
                raise EventTooLarge(f"an event is larger than {self._max_event_bytes} bytes")
        if start:
            del held[:start]
        if len(held) > self._max_event_bytes:
            raise EventTooLarge(f"an event is larger than {self._max_event_bytes} bytes")
        self._searched = max(0, len(held) - _LONGEST_END + 1)
        return events


def data_of(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; `None` if it has none (comments, other fields)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and _CR not in event:
        return event[6:-2]
    lines = []
    for line in _LINE.split(event):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def is_done(event: bytes) -> bool:
    """Whether this is OpenAI's end mark, ``data: [DONE]``."""
    data = data_of(event)
    return data is not None and data.strip() == b"[DONE]"

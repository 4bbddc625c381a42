"""The journal's records: their shapes, their frame, and how a file of them is read back.

    frame    magic (1) · kind (1) · length (4) · CRC-32 of kind and payload (4) · payload, msgpack
    OPENED   a call is about to be sent, with what its budgets reserved by then
    HELD     what they reserved later        CLOSED   it was refused: nothing to charge
    ENDED    how it ended, and what each attempt used and cost: `ledger.rows` makes the book's rows of it

Records hold ids, counts and amounts; never a secret, never content. The zeros after the last
record are space that was reserved beforehand.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from doorward.ledger.entry import Attempt

OPENED, HELD, CLOSED, ENDED = 1, 2, 4, 5
MAGIC = 0xD5
_FRAME = struct.Struct("<BBII")
_pack = _FRAME.pack
FRAME_BYTES = _FRAME.size
LARGEST_BYTES = 1 << 20
"""No record is longer; a larger length is damage."""


class Held(msgspec.Struct, array_like=True, gc=False):
    """The sum of a call's holds, in nano-dollars. The last one counts."""

    opening: str
    nanos: int
    provider_id: str | None
    account_id: str | None
    model: str | None


class Opened(msgspec.Struct, array_like=True, gc=False):
    """A call's opening: enough to write its row if its end is never seen. `opening` is unique, `id` is the client's choice."""

    opening: str
    id: str
    process: str
    owner: str
    key_id: str | None
    key_label: str
    user_id: str | None
    endpoint: str
    tags: tuple[str, ...]
    streamed: bool
    model_asked: str | None
    started_at: float
    body_bytes: int
    held: Held | None = None


class Ended(msgspec.Struct, array_like=True, gc=False):
    """A call's end, as it was noted on the way. Seconds are monotonic, of the process that served it; `settled_at` is unix seconds.

    The opening stands in it once more: damage that takes the one record does not take the other.
    """

    opened: Opened
    outcome: str
    status: int | None
    error_code: str | None
    cache: str
    model_asked: str | None
    model_served: str | None
    held: int | None
    started_s: float
    first_byte_s: float | None
    ended_s: float | None
    """`None`: nobody saw it."""
    settled_at: float
    decided: str
    """The router's decision, JSON; the empty text: there was none."""
    facts: list[Any]
    """(step, details), in order."""
    attempts: list[Attempt]


def frame(kind: int, payload: bytes) -> bytes:
    return _pack(MAGIC, kind, len(payload), zlib.crc32(payload, kind)) + payload


@dataclass(slots=True)
class Damage:
    """Bytes of a file that hold no whole record. `from_byte` is where the first such stretch starts."""

    from_byte: int | None = None
    bytes: int = 0


@dataclass(slots=True)
class Pages:
    """What a journal file says, by `opening`."""

    opened: dict[str, Opened] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    damage: Damage = field(default_factory=Damage)

    def unsettled(self) -> Iterator[tuple[Opened, Held | None]]:
        for opening, opened in self.opened.items():
            if opening not in self.ended and opening not in self.closed:
                yield opened, self.held.get(opening, opened.held)


_decode_opened = msgspec.msgpack.Decoder(Opened).decode
_decode_held = msgspec.msgpack.Decoder(Held).decode
decode_ended = msgspec.msgpack.Decoder(Ended).decode


def _take(pages: Pages, kind: int, payload: bytes) -> bool:
    try:
        if kind == ENDED:
            ended = decode_ended(payload)
            pages.ended[ended.opened.opening] = ended
        elif kind == OPENED:
            opened = _decode_opened(payload)
            pages.opened[opened.opening] = opened
        elif kind == HELD:
            held = _decode_held(payload)
            pages.held[held.opening] = held
        elif kind == CLOSED:
            pages.closed.add(payload.decode())
        else:
            return False
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _whole(data: bytes, at: int) -> tuple[int, bytes] | None:
    """The record that starts at `at` -> (kind, payload), or `None` if there is no whole one."""
    if at + FRAME_BYTES > len(data):
        return None
    magic, kind, length, crc = _FRAME.unpack_from(data, at)
    if magic != MAGIC or length > LARGEST_BYTES or at + FRAME_BYTES + length > len(data):
        return None
    payload = data[at + FRAME_BYTES : at + FRAME_BYTES + length]
    return (kind, payload) if zlib.crc32(payload, kind) == crc else None


def read(data: bytes) -> Pages:
    """Read a journal file. What is not a whole record is skipped and reported in `damage`; nothing raises.

    A torn tail is the usual damage. A hole in the middle (a lost disk block) costs the records in
    it and no others: reading goes on at the next frame whose checksum holds.
    """
    pages = Pages()
    end = len(data.rstrip(b"\0"))
    at = 0
    while at < end:
        record = _whole(data, at)
        if record is not None and _take(pages, *record):
            at += FRAME_BYTES + len(record[1])
            continue
        following = _next_whole(data, at + 1, end)
        if pages.damage.from_byte is None:
            pages.damage.from_byte = at
        pages.damage.bytes += following - at
        at = following
    return pages


def _next_whole(data: bytes, at: int, end: int) -> int:
    while (at := data.find(MAGIC, at, end)) >= 0:
        if _whole(data, at) is not None:
            return at
        at += 1
    return end

"""Whatever happens to a journal file, every whole record in it is read, and nothing that was not written."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.ledger.records import CLOSED, ENDED, HELD, OPENED, Ended, Held, Opened, frame, read
from doorward.ledger.replay import crashed

_encode = msgspec.msgpack.encode


def opened(number: int) -> Opened:
    return Opened(f"p-{number}", f"req_{number}", "p", "user:1", "k", "label", "1", "/v1/chat/completions", (), True, "m", 1.5, 70)


def ended(number: int) -> Ended:
    return crashed(opened(number), Held(f"p-{number}", 5000 + number, "openai", "acc", "m"), 2.5)


def record(kind: int, number: int) -> bytes:
    match kind:
        case 1:
            return frame(OPENED, _encode(opened(number)))
        case 2:
            return frame(HELD, _encode(Held(f"p-{number}", number, None, None, None)))
        case 3:
            return frame(ENDED, _encode(ended(number)))
        case _:
            return frame(CLOSED, f"p-{number}".encode())


records = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), max_size=12)


def expected(written: list[tuple[int, int]]) -> tuple[set[str], set[str], set[str], set[str]]:
    kinds: tuple[set[str], ...] = (set(), set(), set(), set())
    for kind, number in written:
        kinds[kind - 1].add(f"p-{number}")
    return kinds  # type: ignore[return-value]


def found(data: bytes) -> tuple[set[str], set[str], set[str], set[str]]:
    pages = read(data)
    return set(pages.opened), set(pages.held), set(pages.ended), pages.closed


@given(records, st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_what_was_written_is_read_and_reserved_space_is_no_damage(written: list[tuple[int, int]], zeros: int) -> None:
    data = b"".join(record(*one) for one in written) + bytes(zeros)
    assert found(data) == expected(written)
    assert read(data).damage.from_byte is None


@given(records, st.data())
@settings(max_examples=150, deadline=None)
def test_cut_anywhere_every_whole_record_is_read_and_the_rest_reported(written: list[tuple[int, int]], data: st.DataObject) -> None:
    frames = [record(*one) for one in written]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    kept, at = 0, 0
    while kept < len(frames) and at + len(frames[kept]) <= cut:
        at += len(frames[kept])
        kept += 1
    assert found(whole[:cut]) == expected(written[:kept])
    # a cut through a frame is damage, unless what is left of it is zeros
    left = whole[at:cut]
    assert (read(whole[:cut]).damage.from_byte == at) == bool(left.rstrip(b"\0"))


@given(records.filter(bool), st.data())
@settings(max_examples=150, deadline=None)
def test_a_spoilt_stretch_costs_its_own_records_and_no_others(written: list[tuple[int, int]], data: st.DataObject) -> None:
    frames = [record(*one) for one in written]
    whole = bytearray(b"".join(frames))
    start = data.draw(st.integers(0, len(whole) - 1))
    spoilt = data.draw(st.binary(min_size=1, max_size=min(64, len(whole) - start)))
    before = bytes(whole)
    whole[start : start + len(spoilt)] = spoilt
    survivors, at = [], 0
    for one, framed in zip(written, frames, strict=True):
        if bytes(whole[at : at + len(framed)]) == before[at : at + len(framed)]:
            survivors.append(one)
        at += len(framed)
    for kept, seen in zip(expected(survivors), found(bytes(whole)), strict=True):
        assert kept <= seen
    for wrote, seen in zip(expected(written), found(bytes(whole)), strict=True):
        assert seen <= wrote


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_rubbish_is_damage_and_never_a_call(rubbish: bytes) -> None:
    pages = read(rubbish)
    assert not pages.opened
    assert not pages.ended
    assert pages.damage.bytes == len(rubbish.rstrip(b"\0")) or not rubbish.rstrip(b"\0")


def test_only_openings_without_an_end_are_unsettled() -> None:
    data = record(1, 1) + record(2, 1) + record(1, 2) + record(3, 2) + record(1, 3) + record(4, 3) + record(2, 1)
    [(opening, held)] = list(read(data).unsettled())
    assert opening.opening == "p-1"
    assert held is not None
    assert held.nanos == 1

"""The journal's files: space before promises, whole records, and files that go when their calls are booked."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doorward.core.errors import Unavailable
from doorward.ledger.journal import SETTLING_BYTES, Journal, Segment
from doorward.ledger.records import read
from doorward.ledger.replay import claim


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, "p", rotate_bytes=64 * 1024)
    made.open()
    yield made
    made.close()


@contextlib.contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file may grow beyond `at_bytes`: what a full disk does to a journal, by the kernel itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


def _until_refused(journal: Journal, let_in: list[Segment]) -> list[Segment]:
    for _ in range(100):
        let_in.append(journal.opened(b"x" * 100))
    return []


def test_its_files_are_ours_alone_and_locked(journal: Journal, tmp_path: Path) -> None:
    [path] = files(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    with claim(path) as found:
        assert found is None


def test_a_full_disk_refuses_before_and_settles_after(journal: Journal, tmp_path: Path) -> None:
    let_in = [journal.opened(b"x" * 100) for _ in range(3)]
    with full_disk(files(tmp_path)[0].stat().st_size):
        with pytest.raises(Unavailable) as refused:
            let_in += _until_refused(journal, let_in)
        assert refused.value.code == "journal_unavailable"
        for segment in let_in:
            journal.settled(segment, b"y" * (SETTLING_BYTES - 64))
    assert len(let_in) > 3
    whole = files(tmp_path)[0].read_bytes()
    assert whole.count(b"y" * (SETTLING_BYTES - 64)) == len(let_in)
    journal.opened(b"x")


def test_a_hold_that_cannot_be_written_refuses_the_call(journal: Journal, tmp_path: Path) -> None:
    with full_disk(files(tmp_path)[0].stat().st_size):
        segment = journal.opened(b"x")
        with pytest.raises(Unavailable):
            [journal.held(segment, b"h" * 200) for _ in range(10_000)]


def test_files_go_when_all_their_calls_are_booked_and_not_before(journal: Journal, tmp_path: Path) -> None:
    first = journal.opened(b"a" * 1000)
    others = []
    while len(files(tmp_path)) == 1:
        others.append(journal.opened(b"b" * 1000))
        journal.settled(others[-1], b"s" * 2000)
    for segment in others:
        journal.moved(segment)
    journal.tend()
    assert len(files(tmp_path)) == 2, "a call of the first file is still open"
    journal.settled(first, b"s")
    journal.tend()
    assert len(files(tmp_path)) == 2, "it is settled and not booked"
    journal.moved(first)
    journal.tend()
    assert len(files(tmp_path)) == 1


def test_a_clean_end_leaves_nothing_and_an_unclean_one_its_files(tmp_path: Path) -> None:
    clean = Journal(tmp_path / "clean", "p")
    clean.open()
    segment = clean.opened(b"x")
    clean.settled(segment, b"y")
    clean.moved(segment)
    clean.close()
    assert files(tmp_path / "clean") == []
    unclean = Journal(tmp_path / "unclean", "p")
    unclean.open()
    unclean.opened(b"x")
    unclean.close()
    [left] = files(tmp_path / "unclean")
    with claim(left) as found:
        assert found is not None


def test_damage_is_kept_beside_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "p-1.journal"
    path.write_bytes(b"\xd5 no record at all")
    with claim(path) as found:
        assert found is not None
        assert found.rows(0.0) == []
        found.done()
    assert "damaged" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["p-1.damaged"]
    assert read((tmp_path / "p-1.damaged").read_bytes()).damage.from_byte == 0


def test_a_journal_may_be_closed_while_a_thread_still_tends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping cancels who waits for that thread, not the thread."""
    journal = Journal(tmp_path, "p", rotate_bytes=1)
    journal.open()
    for _ in range(3):
        journal.closed(journal.opened(b"call"), "call")
    slow, begun = os.fdatasync, threading.Event()

    def slowly(fd: int) -> None:
        begun.set()
        time.sleep(0.05)
        slow(fd)

    monkeypatch.setattr(os, "fdatasync", slowly)
    with ThreadPoolExecutor(1) as pool:
        tending = pool.submit(journal.tend)
        begun.wait()
        journal.close()
        tending.result()
    assert list(tmp_path.iterdir()) == []

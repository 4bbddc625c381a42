"""A changed file is in force within two seconds, whatever way it was changed; a bad one never is."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from doorward.adapters.watch import Adapters
from doorward.core.errors import BadRequest

CANARY = "watch-canary-7h2"


def document(name: str, host: str = "x.example", header: str = "${{ TOKEN }}") -> str:
    return (
        f"---\napiVersion: doorward.dev/v1\nkind: HTTP\nmetadata: {{name: {name}}}\nspec:\n  baseUrl: https://{host}\n"
        f"  headers: [{{name: A, value: '{header}'}}]\n"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(document("one"))
    return path


@pytest.fixture
async def adapters(file: Path) -> AsyncIterator[Adapters]:
    made = Adapters([file], {"TOKEN": CANARY})
    made.start()
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def within_s(reached: Callable[[], object], seconds: float = 2.0) -> float:
    started = time.monotonic()
    while not reached():
        assert time.monotonic() - started < seconds + 3, "not in force"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def test_a_change_in_place_by_rename_and_by_a_swapped_link(file: Path, adapters: Adapters) -> None:
    stat = file.stat()
    file.write_text(document("two"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the same time, the same size: it is the content that counts
    assert await within_s(lambda: adapters.find("two") and not adapters.find("one")) < 2.5
    beside = file.with_suffix(".new")
    beside.write_text(document("three"))
    beside.rename(file)
    assert await within_s(lambda: adapters.find("three")) < 2.5
    folders = [file.parent / "v1", file.parent / "v2"]
    for folder, name in zip(folders, ("four", "five"), strict=True):
        folder.mkdir()
        (folder / "a.yaml").write_text(document(name))
    file.unlink()
    current = file.parent / "current"
    current.symlink_to(folders[0])
    file.symlink_to("current/a.yaml")
    await within_s(lambda: adapters.find("four"))
    (file.parent / "next").symlink_to(folders[1])
    (file.parent / "next").rename(current)
    assert await within_s(lambda: adapters.find("five")) < 2.5


async def test_a_bad_file_leaves_the_old_in_force_and_says_why(
    file: Path, adapters: Adapters, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        file.write_text(document("two") + document("three", header="${{ MISSING }}" + CANARY))
        await within_s(lambda: adapters.problems)
        assert (adapters.find("one") is not None, adapters.find("two")) == (True, None)
        (told,) = [message for message in caplog.messages if message.startswith("config_not_taken ")]
        assert "MISSING is not set" in told
        assert f"{file}:14" in told
        assert CANARY not in caplog.text
        file.unlink()
        await within_s(lambda: "not there" in str(adapters.problems))
        assert adapters.find("one") is not None
        file.write_text(document("two"))
        await within_s(lambda: adapters.find("two"))
        assert adapters.problems == ()


async def test_a_file_that_is_being_written_is_not_taken(file: Path, adapters: Adapters) -> None:
    """Each state on the way is good YAML, and each is older than a look: only what stands still counts."""
    with file.open("w") as writing:
        for number in range(12):
            writing.write(document(f"part-{number}"))
            writing.flush()
            assert adapters.find("one") is not None
            await asyncio.sleep(0.1)
    await within_s(lambda: adapters.find("part-11"))


def test_a_bad_file_at_the_start_stops_it_with_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(document("a", header="${{ ONE }}") + document("b", header="${{ TWO }}"))
    with pytest.raises(BadRequest) as caught:
        Adapters([path], {}).start()
    assert f"{path}:7: " in caught.value.message
    assert f"{path}:14: " in caught.value.message
    with pytest.raises(BadRequest):
        Adapters([tmp_path / "none.yaml"], {}).start()


def test_two_files_are_one_and_share_no_name(tmp_path: Path) -> None:
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text(document("a"))
    second.write_text(document("b"))
    adapters = Adapters([first, second, first], {"TOKEN": "t"})
    adapters.start()
    assert {adapter.name for adapter in adapters.all()} == {"a", "b"}
    second.write_text(document("a"))
    with pytest.raises(BadRequest) as caught:
        Adapters([first, second], {"TOKEN": "t"}).start()
    assert "earlier file" in caught.value.message

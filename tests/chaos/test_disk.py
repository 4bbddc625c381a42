"""The data directory refuses to be written: full, read-only, errors on every write.

Rule: closed. A call that could not be booked is refused with 503 before anything is sent; what was settled waits in
memory and journal, and nothing of it is lost. It recovers unaided when the directory can be written again.

How it is made: the full disk is a tmpfs of 12 MiB (needs the right to mount). Errors on every write are RLIMIT_FSIZE = 0,
set on the running process from outside: each write of each regular file fails with EFBIG, also into space that was
reserved, as on a device that is broken. A read-only directory is met at the start (a mount that is open for writing
cannot be made read-only); a running process meets it as errors on every write.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.answers import Answer, Sleep, chat_answer
from tests.chaos.books import assert_sound, complete
from tests.chaos.load import Load, Said, ask, client_of
from tests.conftest import required
from tests.counts import count
from tests.money.gateways import Gateway, furnish, gateways
from tests.process import refused_start
from tests.scripted import Request, ScriptedUpstream

REFUSED = count("calls refused by a full disk", small=20, full=2000)
BROKEN_S = count("seconds of errors on every write", small=2, full=30)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", place], capture_output=True, check=False)
    if mounted.returncode:
        required("mount")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def hello(request: Request) -> Answer:
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.01 * (request.number % 3)))


async def until_served(client: httpx2.AsyncClient, name: str, within_s: float) -> float:
    """Ask until a call is answered again -> seconds it took."""
    began = time.monotonic()
    for number in range(10_000):
        if (await ask(client, f"{name}-{number}")).code == "ok":
            return time.monotonic() - began
        assert time.monotonic() - began < within_s, f"not served again after {within_s} s"
        await asyncio.sleep(0.1)
    raise AssertionError("unreachable")


@pytest.mark.timeout(0)
async def test_a_full_disk_refuses_calls_before_they_are_sent(small_disk: Path, tmp_path: Path) -> None:
    """Calls: closed (503 `journal_unavailable`). Settled rows: kept. Health: `/healthz` answers. Log: a line, not one a call."""
    log = tmp_path / "gateway.log"
    data_dir = small_disk / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(hello) as up:
        key = await furnish(url, up.base_url)
        async with gateways(Gateway(data_dir, {}, log=log)) as (gateway,), client_of(gateway.url, key) as client:
            assert (await ask(client, "before")).code == "ok"
            filler = small_disk / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 4096)
                except OSError:
                    pass
            said: list[Said] = []
            while not said or said[-1].code == "ok":
                # what the journal had taken from the disk before is used up first: by many calls at once, then by one
                said += await asyncio.gather(*(ask(client, f"full-{len(said) + n:05d}") for n in range(40)))
                said.append(await ask(client, f"full-{len(said):05d}"))
                assert len(said) < 20_000
            let_in = sum(one.code == "ok" for one in said)
            sent = up.calls
            refused = [await ask(client, f"refused-{n:05d}") for n in range(REFUSED)]
            assert {(one.status, one.code) for one in refused} == {(503, "journal_unavailable")}
            assert up.calls == sent, "a call was sent that could not be booked"
            assert {one.code for one in said} == {"ok", "journal_unavailable"}
            assert (await client.get("/healthz")).status_code == 200
            filler.unlink()
            back_s = await until_served(client, "after", within_s=10)
            took_s = await complete(url, up, within_s=10)
            assert_sound(data_dir / "doorward.db")
    complaints = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "journal_unwritable"]
    assert 1 <= len(complaints) <= 3, complaints
    assert complaints[0]["cause"] == "No space left on device"
    assert not any("exception" in line for line in complaints)
    print(f"disk full: {let_in} calls let in on room that was reserved before, {REFUSED} refused with 503")
    print(f"served again after {back_s:.2f} s, booked {took_s:.2f} s later")


@pytest.mark.timeout(0)
async def test_errors_on_every_write_lose_nothing(tmp_path: Path) -> None:
    """Calls: closed (503). Calls that were open are settled from memory when the disk is back. Reading goes on."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(lambda request: hello(request).after(Sleep(0.2))) as up:
        key = await furnish(url, up.base_url)
        async with gateways(Gateway(data_dir, {})) as (gateway,), client_of(gateway.url, key) as client:
            assert (await ask(client, "before")).code == "ok"
            assert gateway.child is not None
            pid, (soft, hard) = gateway.child.pid, resource.prlimit(gateway.child.pid, resource.RLIMIT_FSIZE)
            async with Load(gateway.url, key, "broken", lanes=6, pause_s=0.02) as load:
                await asyncio.sleep(0.5)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
                await asyncio.sleep(0.3)
                sent = up.calls
                await asyncio.sleep(BROKEN_S)
                assert up.calls == sent, "a call was sent that could not be booked"
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
                back_s = await until_served(client, "after", within_s=10)
            took_s = await complete(url, up, within_s=10)
            assert_sound(data_dir / "doorward.db")
    print(f"errors on every write for {BROKEN_S} s: {dict(load.codes)}; served after {back_s:.2f} s, booked {took_s:.2f} s")
    assert set(load.codes) == {"ok", "journal_unavailable"}
    assert load.slowest_s < 5


async def test_a_read_only_directory_stops_the_start(small_disk: Path, tmp_path: Path) -> None:
    """Start: closed, with a sentence that says which place cannot be written; no traceback."""
    data_dir = small_disk / "data"
    data_dir.mkdir()
    await furnish(f"sqlite:///{data_dir}/doorward.db", "http://127.0.0.1:9")
    before = sorted(path.name for path in data_dir.iterdir())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    said = await refused_start(data_dir, DOORWARD_MASTER_KEY="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    assert str(data_dir) in said or "doorward.db" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) < 8
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert sorted(path.name for path in data_dir.iterdir()) == before
    assert os.access(data_dir, os.W_OK)

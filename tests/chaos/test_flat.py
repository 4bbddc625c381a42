"""What a process must not gather or leave behind: memory, file descriptors, core dumps.

Rule: flat. Nothing of a call stays after it, however it ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest
from tests.answers import chat_answer, chat_stream
from tests.chaos.books import complete
from tests.chaos.load import client_of
from tests.counts import count
from tests.money.gateways import ASK, PATH, Gateway, furnish, gateways
from tests.scripted import ScriptedUpstream

CALLS = count("calls for flat memory of a process", small=2_000, full=20_000)
ABORTED = count("streams aborted for file descriptors", small=100, full=2_000)
DRIFT = 0.05 if CALLS >= 20_000 else 0.15
"""Of resident memory between a quarter of the calls and the end; a short run ends before the allocator has settled."""
SPARE_FDS = 12
"""Database readers and resting upstream connections come and go."""


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def url_of(data_dir: Path) -> str:
    data_dir.mkdir()
    return f"sqlite:///{data_dir}/doorward.db"


@pytest.mark.timeout(0)
async def test_memory_is_flat(tmp_path: Path) -> None:
    """20,000 calls through a whole process: the last three quarters add at most 5 % (15 % in the short run)."""
    url = url_of(tmp_path / "data")
    async with ScriptedUpstream(chat_answer("Hello " * 100, input_tokens=10, output_tokens=100)) as up:
        key = await furnish(url, up.base_url, budget_nanos=10**12)
        async with gateways(Gateway(tmp_path / "data", {})) as (gateway,), client_of(gateway.url, key) as client:
            assert gateway.child is not None
            left = iter(range(CALLS))
            marks: list[int] = []

            async def lane() -> None:
                for number in left:
                    answer = await client.post(PATH, json=ASK)
                    assert answer.status_code == 200, answer.text
                    if number == CALLS // 4:
                        marks.append(resident_bytes(gateway.child.pid))  # type: ignore[union-attr]  # it was started

            await asyncio.gather(*(lane() for _ in range(16)))
            await asyncio.sleep(1.0)
            marks.append(resident_bytes(gateway.child.pid))
    first, last = marks
    print(f"{CALLS} calls: {first / 2**20:.1f} MiB after a quarter, {last / 2**20:.1f} MiB at the end")
    assert last <= first * (1 + DRIFT)


@pytest.mark.timeout(0)
async def test_aborted_streams_leave_no_descriptor(tmp_path: Path) -> None:
    """Streams reset by their clients after some events: every socket is closed, on both sides; every call is booked."""
    url = url_of(tmp_path / "data")
    async with ScriptedUpstream(chat_stream([f"w{n} " for n in range(100)], input_tokens=10, pause_s=0.05)) as up:
        key = await furnish(url, up.base_url)
        async with gateways(Gateway(tmp_path / "data", {})) as (gateway,):
            assert gateway.child is not None
            pid, left = gateway.child.pid, iter(range(ABORTED))

            async def lane() -> None:
                for number in left:
                    async with client_of(gateway.url, key) as client:
                        asked = client.stream(
                            "POST", PATH, json={**ASK, "stream": True}, headers={"x-request-id": f"leave-{number}"}
                        )
                        async with asked as answer:
                            assert answer.status_code == 200
                            await anext(answer.aiter_bytes())

            async def settled() -> int:
                await up.wait_for_open(0, within_s=10)
                await complete(url, up, within_s=15)
                return open_files(pid)

            left = iter(range(20))
            await asyncio.gather(*(lane() for _ in range(10)))
            before = await settled()
            left = iter(range(100, 100 + ABORTED))
            await asyncio.gather(*(lane() for _ in range(10)))
            after = await settled()
            for _ in range(100):
                if after <= before + SPARE_FDS:
                    break
                await asyncio.sleep(0.1)
                after = open_files(pid)
    print(f"{ABORTED} aborted streams: {before} descriptors before, {after} after")
    assert after <= before + SPARE_FDS


async def test_a_crash_writes_no_core(tmp_path: Path) -> None:
    """Closed: the limit is 0, soft and hard, and SIGABRT leaves no file; what was open is in the journal all the same."""
    url = url_of(tmp_path / "data")
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up:
        key = await furnish(url, up.base_url)
        async with gateways(Gateway(tmp_path / "data", {})) as (gateway,):
            child = gateway.child
            assert child is not None
            async with client_of(gateway.url, key) as client:
                assert (await client.post(PATH, json=ASK, headers={"x-request-id": "before"})).status_code == 200
            limit = next(line for line in Path(f"/proc/{child.pid}/limits").read_text().splitlines() if "core file" in line)
            assert limit.split()[4:6] == ["0", "0"]
            child.send_signal(signal.SIGABRT)
            await child.wait()
            assert not list((tmp_path / "data").rglob("core*"))
            await gateway.start()
            await complete(url, up, within_s=3)
            async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as client:
                assert (await client.get("/readyz")).status_code == 200

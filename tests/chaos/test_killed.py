"""SIGKILL of `doorward serve` under load, again and again."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.answers import Answer, Sleep, chat_answer, chat_stream
from tests.chaos.books import assert_sound, complete
from tests.chaos.load import Load
from tests.counts import count
from tests.ledger.purse import rows
from tests.money.gateways import Gateway, furnish
from tests.scripted import Request, ScriptedUpstream

KILLS = count("SIGKILLs of a process under load", small=2, full=100)


def script(request: Request) -> Answer:
    if request.json.get("stream"):
        return chat_stream([f"w{n} " for n in range(6)], input_tokens=10, pause_s=0.02 * (request.number % 4))
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.03 * (request.number % 5)))


@pytest.mark.timeout(0)
async def test_the_database_is_sound_and_each_admitted_call_has_one_row(tmp_path: Path) -> None:
    """Rule: closed for the calls that were open (charged what was held), nothing lost of those that were settled.

    The rows stand within 3 s of the readiness of the process that comes after.
    """
    data_dir, chance = tmp_path / "data", random.Random(7)
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    slowest_s = 0.0
    async with ScriptedUpstream(script) as up:
        key = await furnish(url, up.base_url, budget_nanos=10**12)
        gateway = Gateway(data_dir, {})
        await gateway.start()
        try:
            for turn in range(KILLS):
                before = up.calls
                async with Load(gateway.url, key, f"kill{turn:03d}", streamed=0.5, until_lost=True):
                    await up.wait_for_calls(before + 10, within_s=20)
                    await asyncio.sleep(chance.uniform(0.0, 0.6))
                    await gateway.kill()
                assert_sound(data_dir / "doorward.db")
                await gateway.start()
                slowest_s = max(slowest_s, await complete(url, up, within_s=3.0))
        finally:
            await gateway.stop()
        crashed = rows(url, "SELECT count(*) FROM calls WHERE outcome = 'crashed' AND cost_nanos > 0 AND source = 'estimated'")[0][
            0
        ]
    print(
        f"{KILLS} kills, {up.calls} calls sent, {crashed} of them open at a kill; rows complete {slowest_s:.2f} s after readiness"
    )
    assert crashed > 0, "no kill hit an open call"
    assert_sound(data_dir / "doorward.db")

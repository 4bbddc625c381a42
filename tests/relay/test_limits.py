"""Limits on callers through the whole door: tokens are trued up, days are final, no seat is lost or shared."""

from __future__ import annotations

import asyncio
import random

import httpx2
import pytest
from tests.answers import Answer, Never, Reset, Sleep, chat_answer, chat_stream
from tests.relay.conftest import HELLO, Door

from doorward.core.caller import KeyLimits

BIG = {**HELLO, "max_tokens": 400}


async def limited(door: Door, **bounds: int) -> dict[str, str]:
    return {"authorization": f"Bearer {await door.house.key(label='limited', limits=KeyLimits(**bounds))}"}


async def ask(door: Door, headers: dict[str, str], **fields: object) -> httpx2.Response:
    return await door.client.post("/v1/chat/completions", json={**BIG, **fields}, headers=headers)


async def test_tokens_held_by_estimate_are_set_to_what_was_used(door: Door) -> None:
    """400 may come out, 15 do: with a thousand a minute, two estimates do not fit side by side, and forty answers do."""
    headers = await limited(door, tpm=1000)
    replies = [await ask(door, headers) for _ in range(20)]
    assert {reply.status_code for reply in replies} == {200}
    left = int(replies[-1].headers["x-ratelimit-remaining-tokens"])
    assert 200 <= left <= 650, "the estimate of this one is held while it runs"
    assert replies[-1].headers["x-ratelimit-limit-tokens"] == "1000"
    door.up.script = chat_answer(output_tokens=5000)
    assert (await ask(door, headers)).status_code == 200
    refused = await ask(door, headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "tokens_limit_exceeded")
    assert int(refused.headers["retry-after"]) > 60, "what was used beyond the estimate counts"
    assert refused.headers["x-should-retry"] == "false"


async def test_leaving_early_is_not_free(door: Door) -> None:
    """A stream that is abandoned counts what was delivered, also against the minute's tokens."""
    door.up.script = Answer((*chat_stream(["word "] * 300).steps[:302], Never()))
    headers = await limited(door, tpm=600)
    async with door.client.stream("POST", "/v1/chat/completions", json={**BIG, "stream": True}, headers=headers) as reply:
        text = ""
        async for piece in reply.aiter_text():
            text += piece
            if text.count("word") >= 300:
                break
    await asyncio.sleep(0.3)
    door.up.script = chat_answer()
    refused = await ask(door, headers)
    assert refused.status_code == 429


async def test_a_day_is_final(door: Door) -> None:
    headers = await limited(door, rpd=100_000)
    for _ in range(2):
        assert (await ask(door, headers)).status_code == 200
    one = await limited(door, rpd=1)
    assert (await ask(door, one)).status_code == 200
    refused = await ask(door, one)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")
    assert "a day" in refused.json()["error"]["message"]


async def test_refusals_and_errors_say_what_is_left_too(door: Door) -> None:
    """Ours, on every answer of a key with limits: a 429 says when there is room, and by the time it says so there is (R32)."""
    headers = await limited(door, rpm=120, tpm=100_000)
    replies = await asyncio.gather(*(ask(door, headers) for _ in range(122)))
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    said = refused[-1].headers
    assert (said["x-ratelimit-limit-requests"], said["x-ratelimit-remaining-requests"]) == ("120", "0")
    assert said["x-ratelimit-limit-tokens"] == "100000"
    assert int(said["x-ratelimit-remaining-tokens"]) < 100_000
    assert said["x-ratelimit-reset-requests"] in ("60s", "1m0s") or said["x-ratelimit-reset-requests"].startswith("59")
    assert 0 < int(said["retry-after-ms"]) <= 500, "one request comes free each half second"
    await asyncio.sleep(int(said["retry-after-ms"]) / 1000)
    assert (await ask(door, headers)).status_code == 200
    door.up.script = Answer((Reset(),))
    few = await limited(door, rpm=5)
    lost = await ask(door, few)
    assert (lost.status_code, lost.headers["x-ratelimit-remaining-requests"]) == (502, "4")
    listed = await door.client.get("/v1/models", headers=few)
    assert (listed.status_code, listed.headers["x-ratelimit-remaining-requests"]) == (200, "3")
    unlimited = await ask(door, {"authorization": f"Bearer {await door.house.key(label='free')}"})
    assert not any(name.startswith("x-ratelimit") for name in unlimited.headers)


async def test_what_never_fits_says_so(door: Door) -> None:
    refused = await ask(door, await limited(door, tpm=100))
    assert refused.status_code == 429
    assert "Send less" in refused.json()["error"]["message"]
    assert "retry-after" not in refused.headers
    assert refused.headers["x-should-retry"] == "false"


async def test_one_request_id_twice_takes_two_seats(door: Door) -> None:
    door.up.script = chat_answer().after(Sleep(0.3))
    headers = {**await limited(door, concurrency=1), "x-request-id": "the-same-id-twice"}
    replies = await asyncio.gather(*(ask(door, headers) for _ in range(3)))
    assert sorted(reply.status_code for reply in replies) == [200, 429, 429]
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.json()["error"]["code"] == "concurrency_limit_exceeded"
    assert "x-should-retry" not in refused.headers, "a seat frees soon"
    assert (await ask(door, headers)).status_code == 200


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_no_seat_is_lost_in_a_storm(door: Door, stream: bool) -> None:
    rng = random.Random(32)
    door.up.script = lambda request: chat_stream(["a"] * 5, pause_s=0.01) if stream else chat_answer().after(Sleep(0.03))
    headers = await limited(door, concurrency=4)
    tasks = [asyncio.create_task(ask(door, headers, stream=stream)) for _ in range(80)]
    for task in tasks:
        asyncio.get_running_loop().call_later(rng.random() * 0.3, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.3)
    replies = await asyncio.gather(*(ask(door, headers, stream=stream) for _ in range(4)))
    assert [reply.status_code for reply in replies] == [200] * 4, "all four seats are free again"

"""Calls that several clients share, through the whole door: keyed, joined, cached; and whose they are."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import Answer, Never, Sleep, chat_answer, chat_stream, error_answer, json_answer
from tests.house import house
from tests.relay.conftest import HELLO, Door
from tests.scripted import ScriptedUpstream

from doorward.core.client_key import parse

STREAM = {**HELLO, "stream": True}
KEYED = {"idempotency-key": "order-1"}


async def post(door: Door, body: Any = HELLO, key: str | None = None, **headers: str) -> httpx2.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    return await door.client.post("/v1/chat/completions", json=body, headers=sent)


async def keyed(door: Door, body: Any = HELLO, name: str = "order-1", key: str | None = None) -> httpx2.Response:
    return await post(door, body, key, idempotency_key=name)


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "streamed"])
async def test_the_same_key_gets_the_same_answer(door: Door, body: Any) -> None:
    door.up.script = chat_stream(["one ", "two"]) if "stream" in body else chat_answer("one two")
    first = await keyed(door, body)
    again = await keyed(door, body)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["x-doorward-cache"] == "hit"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert door.up.calls == 1


async def test_the_key_with_another_request_is_refused(door: Door) -> None:
    await keyed(door)
    refused = await keyed(door, {**HELLO, "temperature": 0.1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert door.up.calls == 1


async def test_keys_belong_to_their_owner(door: Door) -> None:
    await keyed(door)
    other = await door.house.key(label="other")
    assert (await keyed(door, key=other)).headers["x-doorward-cache"] == "off"
    assert door.up.calls == 2


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "streamed"])
async def test_many_at_once_make_one_call(door: Door, body: Any) -> None:
    answer = chat_stream(["one ", "two"], pause_s=0.05) if "stream" in body else chat_answer().after(Sleep(0.2))
    door.up.script = answer
    replies = await asyncio.gather(*(keyed(door, body) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert sorted(reply.headers["x-doorward-cache"] for reply in replies) == ["joined"] * 7 + ["off"]
    assert door.up.calls == 1


async def test_a_keyed_call_is_finished_though_its_client_left(door: Door) -> None:
    door.up.script = chat_stream(["one ", "two ", "three"], pause_s=0.1)
    call = asyncio.create_task(keyed(door, STREAM))
    await door.up.wait_for_calls(1)
    await asyncio.sleep(0.12)
    call.cancel()
    await asyncio.sleep(0.1)
    again = await keyed(door, STREAM)
    assert "three" in again.text
    assert again.text.endswith("data: [DONE]\n\n")
    assert (await keyed(door, STREAM)).content == again.content
    assert door.up.calls == 1


@pytest.mark.parametrize(("status", "kept"), [(400, True), (404, True), (429, False), (500, False), (401, False)])
async def test_which_refusals_are_kept(door: Door, status: int, kept: bool) -> None:
    door.up.script = [error_answer(status, "no", headers={"retry-after": "600"})] * 1 + [chat_answer()]
    first = await keyed(door)
    again = await keyed(door)
    if kept:
        assert (again.status_code, again.content) == (first.status_code, first.content) == (status, first.content)
        assert door.up.calls == 1
    else:
        assert again.headers.get("x-doorward-cache", "off") == "off"


async def test_an_answer_too_large_to_keep_is_not_paid_twice(door: Door) -> None:
    door.up.script = chat_answer("x" * (2**20 + 10))
    assert (await keyed(door)).status_code == 200
    again = await keyed(door)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert "Use a new key" in again.json()["error"]["message"]
    assert door.up.calls == 1


async def test_another_process_waits_its_turn_and_then_has_the_answer(tmp_path: Path, postgres_url: str) -> None:
    async with ScriptedUpstream(chat_answer().after(Sleep(0.5))) as up:
        shared = {"database_url": postgres_url, "master_key": base64.b64encode(bytes(range(32))).decode()}
        async with house(tmp_path / "a", **shared) as one, house(tmp_path / "b", **shared) as other:
            await one.provider("scripted", up.base_url, "m*", prices="free")
            await one.account("scripted")
            await other.app.ground.catalogue.refresh()
            headers = {"authorization": f"Bearer {await one.key()}", **KEYED}
            async with httpx2.AsyncClient(headers=headers, timeout=20) as client:
                call = asyncio.create_task(client.post(one.api + "/chat/completions", json=HELLO))
                await up.wait_for_calls(1)
                busy = await client.post(other.api + "/chat/completions", json=HELLO)
                assert (busy.status_code, busy.json()["error"]["code"]) == (409, "conflict")
                first = await call
                replay = await client.post(other.api + "/chat/completions", json=HELLO)
                assert (replay.status_code, replay.content) == (200, first.content)
    assert up.calls == 1


async def test_an_sdk_that_asks_again_joins_its_own_call(door: Door) -> None:
    door.up.script = chat_answer().after(Sleep(0.4))
    first = asyncio.create_task(post(door, x_stainless_retry_count="0"))
    await door.up.wait_for_calls(1)
    again = await post(door, x_stainless_retry_count="1")
    assert again.headers["x-doorward-cache"] == "joined"
    assert again.content == (await first).content
    different = await post(door, {**HELLO, "seed": 1}, x_stainless_retry_count="1")
    assert different.headers["x-doorward-cache"] == "off"
    assert door.up.calls == 2


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "streamed"])
async def test_the_last_listener_takes_the_call_along(door: Door, body: Any) -> None:
    door.up.script = chat_stream(["a"] * 100, pause_s=0.1) if "stream" in body else Answer((Never(),))
    calls = [asyncio.create_task(post(door, body, x_stainless_retry_count="0"))]
    await door.up.wait_for_calls(1)
    calls += [asyncio.create_task(post(door, body, x_stainless_retry_count="1")) for _ in range(3)]
    await asyncio.sleep(0.3)
    assert door.up.calls == 1
    for call in calls[:3]:
        call.cancel()
    await asyncio.sleep(0.4)
    assert door.up.open == 1, "one listens still"
    gone = time.monotonic()
    calls[3].cancel()
    await door.up.wait_for_open(0)
    assert max(c.left_s for c in door.up.connections if c.left_s) - gone < 1.0
    await asyncio.gather(*calls, return_exceptions=True)
    assert door.house.app.traffic.pipeline.shared_calls._running == {}


async def test_a_call_that_failed_fails_for_all(door: Door) -> None:
    from tests.answers import Reset

    door.up.script = Answer((Sleep(0.3), Reset()))
    first = asyncio.create_task(post(door, x_stainless_retry_count="0"))
    await door.up.wait_for_calls(1)
    again = await post(door, x_stainless_retry_count="1")
    for reply in (await first, again):
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_lost")
    assert door.up.calls == 1


# The cache


@pytest.fixture
async def cached(tmp_path: Path, up: ScriptedUpstream) -> Any:
    async with house(tmp_path, cache=True) as home:
        await home.provider("scripted", up.base_url, "m*", prices="free")
        await home.account("scripted")
        key = await home.key()
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
            yield Door(home, up, key, client)


def how(reply: httpx2.Response) -> str:
    return reply.headers["x-doorward-cache"]


async def test_the_cache_answers_again_in_any_order_of_fields(cached: Door) -> None:
    first = await post(cached)
    assert how(first) == "miss"
    again = await post(cached, dict(reversed(HELLO.items())))
    assert (how(again), again.content) == ("hit", first.content)
    assert how(await post(cached, {**HELLO, "seed": 2})) == "miss"
    assert cached.up.calls == 2


async def test_streams_are_replayed_as_streams(cached: Door) -> None:
    cached.up.script = chat_stream(["one ", "two"])
    first = await post(cached, STREAM)
    again = await post(cached, STREAM)
    assert (how(again), again.content) == ("hit", first.content)
    assert again.headers["content-type"].startswith("text/event-stream")
    assert how(await post(cached)) == "miss", "a whole answer is another one"


async def test_fresh_and_no_cache_go_past_it_and_are_kept(cached: Door) -> None:
    await post(cached)
    cached.up.script = chat_answer("newer")
    fresh = await cached.client.post("/v1/chat/completions?fresh=1", json=HELLO)
    assert (how(fresh), "newer" in fresh.text) == ("miss", True)
    assert how(await post(cached, cache_control="no-cache")) == "miss"
    kept = await post(cached)
    assert (how(kept), "newer" in kept.text) == ("hit", True)
    assert cached.up.calls == 3


async def test_nobody_is_given_anothers_answer(cached: Door) -> None:
    await post(cached)
    other = await cached.house.key(label="other")
    assert how(await post(cached, key=other)) == "miss"
    family = [await cached.house.key(label=name, share_as="family") for name in "ab"]
    assert [how(await post(cached, key=key)) for key in family] == ["miss", "hit"]


async def test_identical_calls_at_once_make_one(cached: Door) -> None:
    cached.up.script = chat_answer().after(Sleep(0.2))
    replies = await asyncio.gather(*(post(cached) for _ in range(6)))
    assert sorted(map(how, replies)) == ["joined"] * 5 + ["miss"]
    assert cached.up.calls == 1


@pytest.mark.parametrize("bad", [error_answer(400, "no"), chat_stream(["a", "b"]).cut(400), chat_stream(["a"], done=True).cut(300)])
async def test_only_whole_successes_are_kept(cached: Door, bad: Answer) -> None:
    cached.up.script = [bad, chat_stream(["well"])]
    await post(cached, STREAM)
    again = await post(cached, STREAM)
    assert (how(again), "well" in again.text) == ("miss", True)


async def revoke(door: Door, key: str) -> None:
    found = parse(key.encode())
    assert found is not None
    headers = {"authorization": f"Bearer {await door.house.key(scopes=('call', 'me', 'admin'))}"}
    assert (await door.client.post(f"/api/v1/keys/{found.public_id}/revoke", headers=headers)).status_code == 200


async def test_an_answer_under_way_while_a_key_is_revoked_is_neither_joined_nor_kept(cached: Door) -> None:
    await revoke(cached, await cached.house.key(label="another"))  # the first such request builds the control plane's door
    cached.up.script = chat_answer("of the old key").after(Sleep(2))
    keys = [await cached.house.key(label=name, share_as="family") for name in "ab"]
    first = asyncio.create_task(post(cached, key=keys[0]))
    await cached.up.wait_for_calls(1)
    await revoke(cached, keys[0])
    cached.up.script = chat_answer("of the new key")
    assert how(await post(cached, key=keys[1])) == "miss", "joined a call of before"
    await first
    again = await post(cached, key=keys[1])
    assert (how(again), "new key" in again.text) == ("hit", True), "the late answer was kept in place of the new one"


async def test_revoking_a_key_forgets_its_owners_answers(cached: Door) -> None:
    keys = [await cached.house.key(label=name, share_as="family") for name in "ab"]
    assert how(await post(cached, key=keys[0])) == "miss"
    await revoke(cached, keys[0])
    assert how(await post(cached, key=keys[1])) == "miss"


async def test_calls_that_make_objects_are_never_cached(cached: Door) -> None:
    cached.up.script = json_answer({"id": "resp_1", "output": []})
    for _ in range(2):
        reply = await cached.client.post("/v1/responses", json={"model": "m1", "input": "hi"})
        assert how(reply) == "off"
    assert cached.up.calls == 2

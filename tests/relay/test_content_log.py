"""What is said in calls: kept for no key but those that ask for it, sealed, for so long, shown to whom it belongs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.answers import chat_answer, chat_stream, error_answer
from tests.house import house
from tests.relay.conftest import HELLO, Door
from tests.scripted import ScriptedUpstream

from doorward.core.errors import Unprocessable
from doorward.edge.keysmith import ALL_SCOPES, Keysmith, Wish
from doorward.relay.content_log import ContentLog
from doorward.relay.content_page import MOST_BYTES

ASKED, ANSWERED = "canary-asked-7Kq2", "canary-answered-9Zx4"
TALK = {**HELLO, "messages": [{"role": "user", "content": ASKED}]}


class Talk:
    """A door whose key keeps what its calls say for a week, and an admin beside it."""

    def __init__(self, door: Door, key: str, admin: str) -> None:
        self.door, self.key, self.admin = door, key, admin

    async def say(self, key: str | None = None, named: str = "", **fields: Any) -> str:
        """-> the call's id, once it is in the book and what it said is written."""
        before = len(await self.door.house.rows(0))
        sent = {"authorization": f"Bearer {key or self.key}"}
        if named:
            sent["idempotency-key"] = named
        answer = await self.door.client.post("/v1/chat/completions", json={**TALK, **fields}, headers=sent)
        await self.door.house.rows(before + 1)
        await self.log.flush()
        return answer.headers["x-request-id"]

    async def look(self, call_id: str, key: str, *, status: int = 200, content: str = "1") -> Any:
        path = f"/api/v1/calls/{call_id}?content={content}"
        answer = await self.door.client.get(path, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def admins(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.admin}"}
        answer = await self.door.client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def sql(self, statement: str) -> list[Any]:
        async with self.door.house.app.ground.store.writing() as connection:
            result = await connection.execute(text(statement))
            return list(result.all()) if result.returns_rows else []

    @property
    def log(self) -> ContentLog:
        assert self.door.house.app.traffic is not None
        return self.door.house.app.traffic.pipeline.content_log

    def on_disk(self) -> list[str]:
        """Files below the data directory that hold what was said, in clear."""
        files = [file for file in self.door.house.data_dir.rglob("*") if file.is_file()]
        assert files
        said = (ASKED.encode(), ANSWERED.encode())
        return [file.name for file in files if any(word in file.read_bytes() for word in said)]


async def talking(door: Door) -> Talk:
    door.up.script = chat_answer(ANSWERED)
    key = await door.house.key(label="kept", content_days=7)
    return Talk(door, key, await door.house.key(label="admin", scopes=("call", "me", "admin")))


@pytest.fixture
async def talk(door: Door) -> Talk:
    return await talking(door)


@pytest.fixture(params=["sqlite", "postgresql"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path, up: ScriptedUpstream) -> AsyncIterator[Talk]:
    """The same on both databases."""
    where = {"database_url": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}
    async with house(tmp_path, **where) as home:
        await home.provider("scripted", up.base_url, "m*", prices="free")
        await home.account("scripted")
        async with httpx2.AsyncClient(base_url=home.url, timeout=20) as client:
            yield await talking(Door(home, up, await home.key(), client))


async def test_off_by_default_nothing_is_kept(talk: Talk) -> None:
    call = await talk.say(key=talk.door.key)
    assert (await talk.look(call, talk.door.key))["content"] is None
    assert await talk.sql("SELECT * FROM call_contents") == []
    assert await talk.sql("SELECT * FROM sealed WHERE name LIKE 'content:%'") == []
    assert talk.on_disk() == []


async def test_switched_on_it_is_sealed_and_shown_to_its_owner_when_asked(talk: Talk) -> None:
    call = await talk.say()
    shown = (await talk.look(call, talk.key))["content"]
    assert ASKED in shown["request"]
    assert ANSWERED in shown["answer"]
    assert not shown["cut"]
    [[kept_s]] = await talk.sql("SELECT expires_at - (SELECT settled_at FROM calls) FROM call_contents")
    assert abs(kept_s - 7 * 86_400) < 60
    assert (await talk.look(call, talk.key, content="0"))["content"] is None
    assert talk.on_disk() == [], "the database, its log and the journal hold no clear text"
    listed = await talk.admins("GET", "/calls")
    assert ASKED not in str(listed)
    assert ANSWERED not in str(listed)


async def test_canary_clear_text_on_disk_is_found(talk: Talk) -> None:
    await talk.sql(f"INSERT INTO settings_kv VALUES ('a mistake', '{ASKED}')")
    assert talk.on_disk() != []


async def test_another_owner_finds_no_such_call(talk: Talk) -> None:
    call = await talk.say()
    stranger = await talk.door.house.key(label="stranger", content_days=7)
    refused = await talk.look(call, stranger, status=404)
    assert refused["error"]["code"] == "not_found"


async def test_an_admins_look_is_audited_and_the_owners_is_not(talk: Talk) -> None:
    call = await talk.say()
    await talk.look(call, talk.key)
    await talk.look(call, talk.admin, content="0")
    assert await talk.sql("SELECT * FROM audit_rows WHERE action = 'call.content.read'") == []
    shown = await talk.look(call, talk.admin)
    assert ANSWERED in shown["content"]["answer"]
    [row] = await talk.sql("SELECT details FROM audit_rows WHERE action = 'call.content.read'")
    assert call in row.details


async def test_of_a_stream_the_text_of_its_events_is_kept(talk: Talk) -> None:
    talk.door.up.script = chat_stream([ANSWERED, " and", " more"])
    call = await talk.say(stream=True)
    shown = (await talk.look(call, talk.key))["content"]
    assert shown["answer"] == f"{ANSWERED} and more"
    assert ASKED in shown["request"]


async def test_of_a_stream_that_its_client_left_what_came_is_kept(talk: Talk) -> None:
    talk.door.up.script = chat_stream([ANSWERED, *["."] * 100], pause_s=0.1)
    headers = {"authorization": f"Bearer {talk.key}"}
    body = {**TALK, "stream": True}
    async with talk.door.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for piece in answer.aiter_text():
            if ANSWERED in piece:
                break
    [row] = await talk.door.house.rows(1)
    await talk.log.flush()
    shown = (await talk.look(row.id, talk.key))["content"]
    assert shown["answer"].startswith(ANSWERED)


async def test_an_answer_given_again_is_kept_with_the_call_that_got_it(talk: Talk) -> None:
    first, again = await talk.say(named="order-1"), await talk.say(named="order-1")
    assert talk.door.up.calls == 1
    for call in (first, again):
        assert ANSWERED in (await talk.look(call, talk.key))["content"]["answer"]


async def test_keeping_it_changes_nothing_of_the_answer(talk: Talk) -> None:
    kept, plain = [
        await talk.door.client.post("/v1/chat/completions", json=TALK, headers={"authorization": f"Bearer {key}"})
        for key in (talk.key, talk.door.key)
    ]
    assert kept.content == plain.content
    assert set(kept.headers) == set(plain.headers)


async def test_what_is_longer_than_the_bound_is_cut_and_says_so(talk: Talk) -> None:
    talk.door.up.script = chat_answer(ANSWERED + "é" * MOST_BYTES)
    call = await talk.say()
    shown = (await talk.look(call, talk.key))["content"]
    assert shown["cut"]
    assert MOST_BYTES - 4 < len(shown["answer"].encode()) <= MOST_BYTES
    talk.door.up.script = chat_answer("short")
    call = await talk.say(user="u" * (3 * 1024 * 1024))  # larger than what is kept in memory
    shown = (await talk.look(call, talk.key))["content"]
    assert shown["cut"]
    assert len(shown["request"]) == MOST_BYTES
    assert "short" in shown["answer"]


async def test_keys_in_errors_are_masked(talk: Talk) -> None:
    talk.door.up.script = error_answer(400, "no such thing: sk-abcdefghijklmnop1234567890")
    call = await talk.say()
    shown = (await talk.look(call, talk.key))["content"]
    assert "no such thing" in shown["answer"]
    assert "sk-abc" not in shown["answer"]


async def test_old_contents_are_swept_and_young_ones_stay(anywhere: Talk) -> None:
    old, young = await anywhere.say(), await anywhere.say()
    await anywhere.sql(f"UPDATE call_contents SET expires_at = 1 WHERE call_id = '{old}'")
    assert (await anywhere.look(old, anywhere.key))["content"] is None, "its time is up, also before the sweep"
    assert await anywhere.log.sweep() == 1
    assert len(await anywhere.sql("SELECT * FROM call_contents")) == 1
    assert len(await anywhere.sql("SELECT * FROM sealed WHERE name LIKE 'content:%'")) == 1
    assert (await anywhere.look(young, anywhere.key))["content"] is not None


async def test_erased_with_its_user_and_exported_before(anywhere: Talk) -> None:
    people = anywhere.door.house.app.people.desk.users
    ann = await people.add("ann@example.com", "user", None, actor="operator")
    key = await anywhere.door.house.key(label="anns", owner_user_id=ann.id, content_days=7)
    await anywhere.door.house.account("scripted", owner=f"user:{ann.id}", label="anns")
    others, hers = await anywhere.say(), await anywhere.say(key=key)
    export = await anywhere.admins("GET", f"/users/{ann.id}/export")
    [kept] = export["call_contents"]
    assert (kept["call_id"], ASKED in kept["request"], ANSWERED in kept["answer"]) == (hers, True, True)
    assert len(await anywhere.sql("SELECT * FROM audit_rows WHERE action = 'call.content.read'")) == 1
    await anywhere.admins("POST", f"/users/{ann.id}/erase")
    assert len(await anywhere.sql("SELECT * FROM call_contents")) == 1
    assert len(await anywhere.sql("SELECT * FROM sealed WHERE name LIKE 'content:%'")) == 1
    assert (await anywhere.look(others, anywhere.key))["content"] is not None


@pytest.mark.parametrize("change", ["UPDATE client_keys SET content_days = NULL", "DELETE FROM client_keys"])
async def test_a_key_that_was_switched_off_or_erased_during_a_call_keeps_nothing(talk: Talk, change: str) -> None:
    talk.door.up.script = chat_stream([ANSWERED, " and", " more"], pause_s=0.1)
    headers = {"authorization": f"Bearer {talk.key}"}
    body = {**TALK, "stream": True}
    async with talk.door.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        await talk.sql(change)
        await answer.aread()
    await talk.door.house.rows(1)
    await talk.log.flush()
    assert await talk.sql("SELECT * FROM call_contents") == []
    assert await talk.sql("SELECT * FROM sealed WHERE name LIKE 'content:%'") == []


async def test_the_switch_is_set_and_taken_back_over_the_api(talk: Talk) -> None:
    made = await talk.admins("POST", "/keys", {"label": "app", "log_content_days": 30})
    assert made["log_content_days"] == 30
    path = f"/keys/{made['id']}"
    assert (await talk.admins("PATCH", path, {"label": "app 2"}))["log_content_days"] == 30
    successor = await talk.admins("POST", f"{path}/rotate", {"overlap_s": 60})
    assert successor["log_content_days"] == 30
    assert (await talk.admins("PATCH", path, {"log_content_days": None}))["log_content_days"] is None
    for wrong in (0, 91, -1, "x"):
        headers = {"authorization": f"Bearer {talk.admin}"}
        refused = await talk.door.client.patch(f"/api/v1{path}", json={"log_content_days": wrong}, headers=headers)
        assert refused.status_code in (400, 422), refused.text
    call = await talk.say(key=made["key"])
    assert (await talk.look(call, made["key"]))["content"] is None


@pytest.mark.parametrize("days", [0, 91])
async def test_the_keysmith_takes_1_to_90_days(talk: Talk, days: int) -> None:
    ground = talk.door.house.app.ground
    with pytest.raises(Unprocessable):
        await Keysmith(ground.store, ground.client_keys).make(Wish("x", content_days=days), ALL_SCOPES)


async def test_a_restart_shows_what_the_last_second_said(talk: Talk, tmp_path: Path) -> None:
    headers = {"authorization": f"Bearer {talk.key}"}
    answer = await talk.door.client.post("/v1/chat/completions", json=TALK, headers=headers)
    assert answer.status_code == 200
    await talk.door.house.app.stop()
    from doorward.store.engine import Store

    store = await Store.open(f"sqlite:///{talk.door.house.data_dir}/doorward.db")
    try:
        async with store.reading() as connection:
            assert len((await connection.execute(text("SELECT * FROM call_contents"))).all()) == 1
    finally:
        await store.close()

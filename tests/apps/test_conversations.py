"""Conversations: list, read, rename, delete, export, search, title; prompts; and everybody's own."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.answers import chat_answer
from tests.apps.desk import desk, scripted_desk
from tests.scripted import ScriptedUpstream

from doorward.store.conversations import Conversation, Conversations, Message
from doorward.store.engine import Store


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else f"sqlite:///{tmp_path}/doorward.db"
    opened = await Store.open(url)
    yield opened
    await opened.close()


async def test_the_whole_life_of_a_conversation(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        first = await here.ask("POST", "/apps/chat", {"message": "Tell me about tortoises, please"})
        second = await here.ask("POST", "/apps/chat", {"message": "Something else"})
        listed = (await here.ask("GET", "/apps/conversations"))["data"]
        assert [row["id"] for row in listed] == [second["conversation_id"], first["conversation_id"]]
        assert listed[1]["title"] == "Tell me about tortoises, please"
        path = f"/apps/conversations/{first['conversation_id']}"
        read = await here.ask("GET", path)
        assert [m["role"] for m in read["messages"]] == ["user", "assistant"]
        assert read["messages"][1]["call_id"].startswith("req_")
        assert (await here.ask("PATCH", path, {"title": "Slow\x00 animals"}))["title"] == "Slow animals"
        assert (await here.ask("POST", f"{path}/title"))["title"]
        found = (await here.ask("GET", "/apps/conversations/search?q=tortoises"))["data"]
        assert first["conversation_id"] in {row["conversation_id"] for row in found}
        markdown = await here.http.get(f"{path}/export?format=markdown", headers=here.headers())
        assert "## user\n\nTell me about tortoises, please" in markdown.text
        page = await here.ask("GET", "/apps/conversations?limit=1")
        assert page["has_more"] is True
        rest = await here.ask("GET", f"/apps/conversations?limit=1&before={page['data'][0]['id']}")
        assert rest["data"][0]["id"] != page["data"][0]["id"]
        other = await here.other()
        assert (await here.ask("GET", "/apps/conversations/search?q=tortoises", key=other))["data"] == []
        for method, tail, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "x"}),
            ("DELETE", "", None),
            ("POST", "/title", None),
            ("GET", "/export", None),
        ):
            error = await here.refused(method, path + tail, 404, body, key=other)
            assert error["code"] == "unknown_conversation"
        await here.ask("DELETE", path)
        await here.refused("GET", path, 404)
        assert (await here.ask("GET", "/apps/conversations/search?q=tortoises"))["data"] == []


async def test_prompts_have_versions_and_variables(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("ok")) as up, scripted_desk(tmp_path, up) as here:
        admin = await here.door.key(scopes=("call", "admin"))
        await here.refused("PUT", "/apps/prompts/pirate", 403, {"text": "Arr"})
        await here.ask("PUT", "/apps/prompts/pirate", {"text": "Talk like {{who}}. Never say {{word}}."}, key=admin)
        made = await here.ask("PUT", "/apps/prompts/pirate", {"text": "Talk like {{who}}."}, key=admin)
        assert (made["version"], made["variables"]) == (2, ["who"])
        names = [row["name"] for row in (await here.ask("GET", "/apps/prompts"))["data"]]
        assert names == ["code_reviewer", "pirate", "todo_assistant"]
        wish: dict[str, Any] = {"message": "hi", "prompt": "pirate", "variables": {"who": "{{word}}"}}
        await here.ask("POST", "/apps/chat", wish)
        assert up.requests[-1].json["messages"][0] == {"role": "system", "content": "Talk like {{word}}."}, "filled in once"
        old = {**wish, "prompt_version": 1, "variables": {"who": "Ann", "word": "yes"}}
        await here.ask("POST", "/apps/chat", old)
        assert up.requests[-1].json["messages"][0]["content"] == "Talk like Ann. Never say yes."
        assert (await here.refused("POST", "/apps/chat", 422, {**wish, "variables": {}}))["param"] == "variables.who"
        await here.refused("POST", "/apps/chat", 422, {**wish, "variables": {"who": "a", "x": "b"}})
        await here.ask("DELETE", "/apps/prompts/pirate", key=admin)
        await here.refused("GET", "/apps/prompts/pirate", 404)


async def test_ten_thousand_messages_open_at_once(store: Store) -> None:
    rows = Conversations(store)
    conversation = Conversation("conv_1", "me", "t", "m", None, "", None, 1.0, 1.0)
    ids = [f"msg_{uuid.uuid4().hex}" for _ in range(10_000)]
    messages = [
        Message(one, ids[at - 1] if at else None, "user" if at % 2 == 0 else "assistant", f"text {at}", 5)
        for at, one in enumerate(ids)
    ]
    await rows.append(conversation, messages)
    times = []
    for _ in range(3):
        began = time.process_time()  # a loaded machine says nothing by the clock
        chain = await rows.chain("conv_1", ids[-1], 200)
        await rows.siblings("conv_1", [message.parent_id for message in chain])
        times.append(time.process_time() - began)
    assert [message.id for message in chain] == ids[-200:]
    assert min(times) < 0.05, times
    assert len(await rows.chain("conv_1", ids[-1])) == 10_000


async def test_nobody_writes_into_anothers_conversation(store: Store) -> None:
    """Whichever way somebody came by its id: it is looked at again where it is written."""
    rows = Conversations(store)
    theirs = Conversation("conv_1", "they", "t", "m", None, "", None, 1.0, 1.0)
    assert await rows.append(theirs, [Message("a", None, "user", "theirs", 1)])
    for leaf in (None, "a"):
        mine = replace(theirs, owner="me", leaf_id=leaf)
        assert not await rows.append(mine, [Message("b", leaf, "user", "mine", 1)])
    found = await rows.find("conv_1", "they")
    assert found is not None
    assert found.leaf_id == "a"
    assert await rows.find("conv_1", "me") is None
    assert [one.id for one in await rows.all_messages("conv_1")] == ["a"]


async def test_what_was_deleted_meanwhile_is_not_written_to(store: Store) -> None:
    rows = Conversations(store)
    conversation = Conversation("conv_1", "me", "t", "m", None, "", None, 1.0, 1.0)
    assert await rows.append(conversation, [Message("a", None, "user", "words here", 1)])
    known = await rows.find("conv_1", "me")
    assert known is not None
    assert [one.message_id for one in await rows.search("me", "words", 5)] == ["a"]
    assert await rows.remove("conv_1", "me")
    assert not await rows.append(known, [Message("b", "a", "user", "more", 1)])
    assert await rows.search("me", "words", 5) == []

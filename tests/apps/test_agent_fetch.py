"""An agent's own tool that fetches through an adapter: the caller's rights, the adapter's document, the book, and bounds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.answers import Sleep, chat_answer, error_answer, json_answer
from tests.apps.shop import TOKEN, TOOL, document, place, wants
from tests.apps.test_agent import tool_messages

from doorward.core.caller import KeyLimits


async def test_it_fetches_in_the_callers_name_and_writes_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch, wants(), json_answer({"items": ["apple"]})) as (here, model, api):
        [tool] = [one for one in (await here.ask("GET", "/apps/agent/tools"))["data"] if one["name"] == TOOL]
        assert tool["description"].endswith("Adapters: shop (GET).")
        done = await here.ask("POST", "/apps/agent", {"message": "what is there?"})
        assert done["state"] == "done"
        [told] = tool_messages(model)
        assert told["content"].startswith("200 application/json")
        assert told["content"].endswith('{"items": ["apple"]}')
        [sent] = api.requests
        assert (sent.method, sent.target, sent.header("authorization")) == ("GET", "/items?page=2", f"Bearer {TOKEN}")
        assert here.key not in sent.raw_head.decode("latin-1")
        rows = await here.door.rows(3)
        [row] = [one for one in rows if one.endpoint == "/v1/apis/http/{adapter}"]
        assert "app:agent" in row.tags
        assert {one.key_id for one in rows} == {row.key_id}, "all in the caller's name"
        assert TOKEN not in str(done)


@pytest.mark.parametrize(
    ("more", "method", "told"),
    [
        ((), "DELETE", "An agent may not use DELETE on this adapter. Allowed: GET."),
        (("methods: [GET, POST]",), "DELETE", "An agent may not use DELETE on this adapter. Allowed: GET, POST."),
        (("methods: [GET, POST]",), "POST", "200 application/json"),
        (("methods: [POST]",), "GET", "An agent may not use GET on this adapter. Allowed: POST."),
    ],
)
async def test_other_methods_only_where_the_document_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], method: str, told: str
) -> None:
    body = '{"a": 1}' if method == "POST" else ""
    async with place(tmp_path, monkeypatch, wants(method=method, body=body), json_answer({}), *more) as (here, model, api):
        await here.ask("POST", "/apps/agent", {"message": "go"})
        assert tool_messages(model)[0]["content"].startswith(told)
        assert [one.body for one in api.requests] == ([body.encode()] if told.startswith("200") else [])


async def test_what_a_key_may_not_use_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch, wants(), json_answer({})) as (here, model, api):
        narrow = await here.door.key(adapters=("other",))
        names = [one["name"] for one in (await here.ask("GET", "/apps/agent/tools", key=narrow))["data"]]
        assert TOOL not in names
        await here.ask("POST", "/apps/agent", {"message": "go"}, key=narrow)
        assert tool_messages(model)[0]["content"] == f"There is no tool {TOOL}."
        model.script = wants("nothing")
        await here.ask("POST", "/apps/agent", {"message": "go"})
        assert tool_messages(model)[0]["content"] == "There is no adapter of that name that you may use."
        assert api.calls == 0


@pytest.mark.parametrize("path", ["/../admin", "/a//b", "/%2e%2e/x", "https://elsewhere.test/x", "/ä", "/other"])
async def test_a_path_that_leaves_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async with place(tmp_path, monkeypatch, wants(path=path), json_answer({}), "paths: [/items]") as (here, model, api):
        done = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert done["state"] == "done"
        assert done["steps"][1]["details"]["failed"] is True
        assert "path" in tool_messages(model)[0]["content"]
        assert api.calls == 0


async def test_errors_and_silence_of_the_api_are_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch, wants(), error_answer(500, "broken"), tool_s=1.0) as (here, model, api):
        done = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert tool_messages(model)[0]["content"].startswith("500 ")
        assert done["steps"][1]["details"]["failed"] is True
        api.script = json_answer({}).after(Sleep(10))
        done = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert tool_messages(model)[0]["content"] == "The tool took longer than 1 s."
        await api.wait_for_leavers(1)
        assert done["state"] == "done"


async def test_limits_hold_for_what_an_agent_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place(tmp_path, monkeypatch, wants(), json_answer({})) as (here, model, api):
        two = await here.door.key(limits=KeyLimits(rpm=1))
        answer = await here.http.post("/apps/agent", json={"message": "go"}, headers=here.headers(two))
        assert answer.status_code == 429, "the model's first call was the minute's one"
        assert api.calls == 0


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"x" * 3_000_000, "text/plain", "[cut: the answer is longer]"),
        (("ü" * 1_000_000).encode(), "application/json", "[cut: the answer is longer]"),
        (b"\x89PNG\x00\xff" * 50, "image/png", "[The body is binary, so it is not shown.]"),
    ],
)
async def test_what_comes_back_is_bounded_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str, told: str
) -> None:
    answer = json_answer(content, headers={"content-type": kind})
    async with place(tmp_path, monkeypatch, wants(), answer) as (here, model, _):
        await here.ask("POST", "/apps/agent", {"message": "go"})
        text = tool_messages(model)[0]["content"]
        assert text.endswith(told)
        assert len(text) <= 20_000
        assert "\ufffd" not in text[:1000]


async def test_a_tool_that_was_offered_before_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One adapter that the key may use does not open the others."""
    async with place(tmp_path, monkeypatch, wants(), json_answer({})) as (here, model, api):
        file = tmp_path / "doorward.yaml"
        file.write_text(file.read_text() + document("mine", api.base_url))
        narrow = await here.door.key(adapters=("mine",))
        for _ in range(100):
            tools = (await here.ask("GET", "/apps/agent/tools", key=narrow))["data"]
            if found := [one for one in tools if one["name"] == TOOL]:
                break
            await asyncio.sleep(0.1)
        assert found[0]["description"].endswith("Adapters: mine (GET).")
        await here.ask("POST", "/apps/agent", {"message": "go"}, key=narrow)
        assert tool_messages(model)[0]["content"] == "There is no adapter of that name that you may use."
        assert api.calls == 0


async def test_what_an_adapter_costs_counts_against_what_one_request_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million tokens of gpt-4o-mini are 15 cents; a call whose price nobody knows cannot be bounded, so it is not made."""
    body = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "go on"}], "max_tokens": 50}'
    ask = {"method": "POST", "path": "/v1/chat/completions", "body": body}
    more = ("methods: [GET, POST]", "prices: openai")
    dear = chat_answer("Dear.", input_tokens=1_000_000)
    cap = {"app_cost_cap_usd": "0.1", "agent_tokens": 2_000_000}
    async with place(tmp_path, monkeypatch, wants(**ask), dear, *more, **cap) as (here, _, api):
        done = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert (done["state"], done["message"]) == ("stopped", "It reached its limit of cost.")
        assert done["tokens"] > 1_000_000
        assert api.calls == 1
    async with place(tmp_path / "2", monkeypatch, wants(), json_answer({}), **cap) as (here, model, api):
        done = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert done["state"] == "done"
        assert tool_messages(model)[0]["content"].startswith("What adapter shop costs is not known")
        assert api.calls == 0

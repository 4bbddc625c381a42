"""Chat over the wire: what is answered, what is stored, and what is not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Sleep, chat_answer, chat_stream, error_answer, json_answer
from tests.apps.desk import Desk, desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as opened:
        yield opened


async def test_a_message_is_answered_and_remembered(here: Desk) -> None:
    first = await here.ask("POST", "/apps/chat", {"message": "What is a gateway?"})
    assert first["message"]
    assert first["conversation_id"]
    second = await here.ask("POST", "/apps/chat", {"message": "And a proxy?", "conversation_id": first["conversation_id"]})
    assert second["conversation_id"] == first["conversation_id"]


@pytest.mark.parametrize("path", ["/apps/chat", "/chat", "/api/chat"])
async def test_the_same_at_every_root(here: Desk, path: str) -> None:
    assert (await here.ask("POST", path, {"message": "hello"}))["message"]


async def test_roots_can_be_switched_off(tmp_path: Path) -> None:
    async with desk(tmp_path, root_apps=False) as here:
        await here.refused("POST", "/chat", 404, {"message": "hello"})
        await here.ask("POST", "/apps/chat", {"message": "hello"})


FRAMES = b'data: {"delta": "H\xc3\xa9l"}\n\ndata: {"delta": "lo\\n\\"you\\""}\n\ndata: {"delta": " \\u2028!"}\n\ndata: [DONE]\n\n'
TEXT_FRAMES = b'data: H\xc3\xa9l\n\ndata: lo\ndata: "you"\n\ndata:  \xe2\x80\xa8!\n\ndata: [DONE]\n\n'
WORDS = ["Hél", 'lo\n"you"', " \u2028!"]


@pytest.mark.parametrize("path", ["/apps/chat/stream", "/apps/chat-stream", "/chat/stream", "/chat-stream", "/api/chat/stream"])
async def test_the_frames_byte_for_byte(tmp_path: Path, path: str) -> None:
    async with ScriptedUpstream(chat_stream(WORDS)) as up, scripted_desk(tmp_path, up) as here:
        answer = await here.http.post(path, json={"message": "hi"}, headers=here.headers())
        assert answer.status_code == 200
        assert answer.content == FRAMES
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        conversation = answer.headers["x-doorward-conversation"]
        text = await here.http.post(
            path + "?format=text", json={"message": "hi", "conversation_id": conversation}, headers=here.headers()
        )
        assert text.content == TEXT_FRAMES
        assert [m["content"] for m in up.requests[1].json["messages"]] == ["hi", "".join(WORDS), "hi"]


async def test_a_stream_by_get_looks_where_it_comes_from(here: Desk) -> None:
    path = "/apps/chat-stream?message=hello"
    assert (await here.http.get(path, headers=here.headers())).content.endswith(b"data: [DONE]\n\n")
    own = here.headers(origin=here.door.url)
    answer = await here.http.get(path + "&model=sim-gpt-4o&prompt=code_reviewer", headers=own)
    assert answer.status_code == 200
    kept = await here.ask("GET", f"/apps/conversations/{answer.headers['x-doorward-conversation']}")
    assert (kept["model"], kept["prompt"]) == ("sim-gpt-4o", "code_reviewer")
    nothing = await here.http.get("/apps/chat-stream", headers=own)
    assert (nothing.status_code, nothing.json()["error"]["param"]) == (422, "message")
    for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        refused = await here.http.get(path, headers=here.headers(**foreign))
        assert refused.status_code == 403, foreign


async def test_a_get_stream_logs_no_query(here: Desk, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    await here.http.get("/apps/chat-stream?message=verysecretword", headers=here.headers())
    said = ""
    for _ in range(100):  # the call's line is written a moment after its end
        said += "".join(capfd.readouterr())
        if "chat/completions" in said:
            break
        await asyncio.sleep(0.02)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("doorward", "uvicorn"))]
    assert "chat/completions" in said, "the call itself is logged"
    assert "verysecretword" not in said + str(ours)


async def test_an_error_leaves_nothing_stored(tmp_path: Path) -> None:
    async with ScriptedUpstream(error_answer(400, "context_length_exceeded")) as up, scripted_desk(tmp_path, up) as here:
        error = await here.refused("POST", "/apps/chat", 400, {"message": "hi"})
        assert error["code"] == "context_length_exceeded"
        refused = await here.http.post("/apps/chat/stream", json={"message": "hi"}, headers=here.headers())
        assert refused.status_code == 400
        assert (await here.ask("GET", "/apps/conversations"))["data"] == []


async def test_a_stream_that_breaks_ends_in_an_error_without_done_and_is_not_stored(tmp_path: Path) -> None:
    whole = chat_stream(["one ", "two ", "three "])
    async with ScriptedUpstream(whole.cut(700)) as up, scripted_desk(tmp_path, up) as here:
        answer = await here.http.post("/apps/chat/stream", json={"message": "hi"}, headers=here.headers())
        assert answer.content.startswith(b'data: {"delta": "one "}\n\n')
        assert b"[DONE]" not in answer.content
        last = answer.content.rstrip().rsplit(b"\n\n", 1)[1]
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_lost"
        assert (await here.ask("GET", "/apps/conversations"))["data"] == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/apps/chat/stream"), ("POST", "/chat-stream"), ("GET", "/apps/chat-stream")]
)
async def test_a_reader_who_leaves_stops_the_upstream_and_what_was_shown_is_kept(tmp_path: Path, method: str, path: str) -> None:
    slow = chat_stream(["word "] * 200, pause_s=0.05)
    async with ScriptedUpstream(slow) as up, scripted_desk(tmp_path, up) as here:
        sent: dict[str, Any] = {"json": {"message": "hi"}} if method == "POST" else {"params": {"message": "hi"}}
        async with here.http.stream(method, path, headers=here.headers(), **sent) as answer:
            conversation = answer.headers["x-doorward-conversation"]
            async for _ in answer.aiter_bytes():
                break
            left = time.monotonic()
        await up.wait_for_leavers(1)
        stopped_s = (up.connections[0].left_s or 0) - left
        assert stopped_s < 0.25, f"the upstream was stopped after {stopped_s:.3f} s"
        kept = await _eventually(here, f"/apps/conversations/{conversation}")
        question, answer_kept = kept["messages"]
        assert question["text"] == "hi"
        assert answer_kept["stopped"] is True
        assert answer_kept["text"].startswith("word ")
        assert len(answer_kept["text"]) < 500


async def test_a_client_that_leaves_an_unstreamed_chat_stops_the_upstream(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer().after(Sleep(5))) as up, scripted_desk(tmp_path, up) as here:
        asking = asyncio.create_task(here.ask("POST", "/apps/chat", {"message": "hi"}))
        await up.wait_for_calls(1)
        asking.cancel()
        left = time.monotonic()
        await up.wait_for_leavers(1)
        assert (up.connections[0].left_s or 0) - left < 0.25


async def _eventually(here: Desk, path: str) -> Any:
    for _ in range(200):
        answer = await here.http.get(path, headers=here.headers())
        if answer.status_code == 200:
            return answer.json()
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} did not appear: {answer.text}")


def echo(request: Request) -> Any:
    return chat_answer(f"{len(request.json['messages'])} messages")


async def test_history_prompts_and_defaults_reach_the_model(tmp_path: Path) -> None:
    async with ScriptedUpstream(echo) as up, scripted_desk(tmp_path, up) as here:
        first = await here.ask("POST", "/apps/chat", {"message": " a\x00b\x07c \u00e9\n ", "prompt": "todo_assistant"})
        body = up.requests[0].json
        assert body["model"] == "scripted-1"
        assert (body["max_tokens"], body["temperature"]) == (2000, 0.7)
        assert [m["role"] for m in body["messages"]] == ["system", "user"]
        assert body["messages"][1]["content"] == " abc é\n "
        await here.ask("POST", "/apps/chat", {"message": "next", "conversation_id": first["conversation_id"]})
        assert [m["role"] for m in up.requests[1].json["messages"]] == ["system", "user", "assistant", "user"]
        assert up.requests[1].json["messages"][2]["content"] == "2 messages"


async def test_history_is_cut_to_fit(tmp_path: Path) -> None:
    async with ScriptedUpstream(echo) as up, scripted_desk(tmp_path, up, history_tokens=400) as here:
        conversation = None
        for number in range(6):
            wish = {"message": f"{number} " + "word " * 100, "conversation_id": conversation, "prompt": "code_reviewer"}
            answer = await here.ask("POST", "/apps/chat", {k: v for k, v in wish.items() if v is not None})
            conversation = answer["conversation_id"]
        sent = up.requests[-1].json["messages"]
        assert sent[0]["role"] == "system"
        assert sent[1]["role"] == "user", "an answer never stands without its question"
        assert sent[-1]["content"].startswith("5 ")
        assert 2 <= len(sent) < 12


async def test_an_edit_makes_a_sibling_and_leaves_what_was_there(tmp_path: Path) -> None:
    async with ScriptedUpstream(echo) as up, scripted_desk(tmp_path, up) as here:
        first = await here.ask("POST", "/apps/chat", {"message": "one"})
        conversation = first["conversation_id"]
        await here.ask("POST", "/apps/chat", {"message": "two", "conversation_id": conversation})
        await here.ask(
            "POST", "/apps/chat", {"message": "two, edited", "conversation_id": conversation, "parent_id": first["message_id"]}
        )
        assert [m["content"] for m in up.requests[-1].json["messages"]] == ["one", "1 messages", "two, edited"]
        shown = await here.ask("GET", f"/apps/conversations/{conversation}")
        assert [m["text"] for m in shown["messages"]] == ["one", "1 messages", "two, edited", "3 messages"]
        assert len(shown["messages"][2]["siblings"]) == 2
        exported = await here.ask("GET", f"/apps/conversations/{conversation}/export")
        assert len(exported["messages"]) == 6
        start_over = await here.ask("POST", "/apps/chat", {"message": "uno", "conversation_id": conversation, "parent_id": ""})
        assert start_over["message"] == "1 messages"


async def test_a_branch_is_shown_to_its_newest_end_and_read_from_any_message(tmp_path: Path) -> None:
    async with ScriptedUpstream(echo) as up, scripted_desk(tmp_path, up) as here:
        ids: list[str] = []
        conversation = None
        for text in ("one", "two", "three"):
            body = {"message": text, **({"conversation_id": conversation} if conversation else {})}
            answer = await here.ask("POST", "/apps/chat", body)
            conversation = answer["conversation_id"]
            ids.append(answer["message_id"])
        path = f"/apps/conversations/{conversation}"
        await here.ask("POST", "/apps/chat", {"message": "uno", "conversation_id": conversation, "parent_id": ""})
        first = (await here.ask("GET", f"{path}?limit=2"))["messages"][0]
        assert first["text"] == "uno"
        assert (await here.refused("GET", f"{path}?since={ids[1]}", 404))["code"] == "unknown_message"

        other = next(one for one in first["siblings"] if one != first["id"])
        await here.ask("PATCH", path, {"leaf_id": other})
        shown = await here.ask("GET", f"{path}?since={ids[1]}&limit=1")
        assert [message["text"] for message in shown["messages"]] == ["3 messages", "three", "5 messages"]
        assert shown["has_more"] is True
        await here.refused("GET", f"{path}?since={ids[1]}", 404, key=await here.other())


@pytest.mark.parametrize("said", [{"retry-after": "30"}, {"retry-after-ms": "29500"}])
async def test_a_wait_that_the_provider_asks_for_is_told(tmp_path: Path, said: dict[str, str]) -> None:
    """Also when programs are told not to try again by themselves: people read it as a countdown."""
    busy = error_answer(429, "rate_limit_exceeded", "Slow down.", said)
    async with ScriptedUpstream(busy) as up, scripted_desk(tmp_path, up, retry_wait_s=0) as here:
        answer = await here.http.post("/apps/chat/stream", json={"message": "hi"}, headers=here.headers())
        assert answer.status_code == 429
        assert 25 <= int(answer.headers["retry-after"]) <= 30
        assert answer.headers["x-should-retry"] == "false", "the attempts are spent"


BIG = "x" * 100_001


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": ""}, 422, "invalid_value"),
        ({"message": " \x00\x07 \n"}, 422, "invalid_value"),
        ({"message": BIG}, 413, "body_too_large"),
        ({"message": "x" * 10_000_000}, 413, "body_too_large"),
        ({"message": 5}, 422, "invalid_value"),
        ({}, 422, "invalid_value"),
        ({"message": "hi", "role": "system"}, 422, "invalid_value"),
        ({"message": "hi", "conversation_id": "conv_nobody"}, 404, "unknown_conversation"),
        ({"message": "hi", "prompt": "nobody"}, 404, "unknown_prompt"),
        ({"message": "hi", "prompt": "todo_assistant", "prompt_version": 7}, 404, "unknown_prompt"),
        ({"message": "hi", "model": "no-such-model"}, 404, "model_not_found"),
        ({"message": "hi", "images": ["file:///etc/passwd"]}, 422, "invalid_value"),
    ],
)
async def test_bad_input_is_a_clear_error(here: Desk, body: dict[str, Any], status: int, code: str) -> None:
    for path in ("/apps/chat", "/apps/chat/stream"):
        error = await here.refused("POST", path, status, body)
        assert error["code"] == code
        assert "xxxx" not in error["message"]
    assert (await here.ask("GET", "/apps/conversations"))["data"] == []


async def test_binary_is_a_clear_error(here: Desk) -> None:
    for content in (b"\x00\xff\xfe\x01", b'{"message": "\xff\xfe"}', b"[1]", b""):
        answer = await here.http.post("/apps/chat", content=content, headers=here.headers(**{"content-type": "application/json"}))
        assert 400 <= answer.status_code < 500, (content, answer.text)
        assert answer.json()["error"]["message"]


async def test_half_a_surrogate_pair_is_mended_not_stored_half(here: Desk) -> None:
    raw = b'{"message": "say \\ud83d please"}'
    answer = await here.http.post("/apps/chat", content=raw, headers=here.headers(**{"content-type": "application/json"}))
    assert answer.status_code == 200, answer.text


async def test_another_owners_conversation_is_a_404(here: Desk) -> None:
    mine = (await here.ask("POST", "/apps/chat", {"message": "hello"}))["conversation_id"]
    other = await here.other()
    error = await here.refused("POST", "/apps/chat", 404, {"message": "hi", "conversation_id": mine}, key=other)
    assert error["code"] == "unknown_conversation"


async def test_without_a_key_nothing_answers(here: Desk) -> None:
    answer = await here.http.post("/apps/chat", json={"message": "hi"})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Sign in to use this feature"


async def test_the_call_is_in_the_ledger_with_its_app(here: Desk) -> None:
    answer = await here.http.post("/apps/chat", json={"message": "hi"}, headers=here.headers(**{"x-doorward-tags": "mine"}))
    request_id = answer.headers["x-request-id"]
    for _ in range(100):
        calls = (await here.ask("GET", "/api/v1/calls"))["data"]
        if calls:
            break
        await asyncio.sleep(0.02)
    assert [call["id"] for call in calls] == [request_id]
    assert calls[0]["tags"] == ["app:chat", "mine"]


async def test_one_shot(here: Desk, tmp_path: Path) -> None:
    assert (await here.ask("POST", "/api/v1/chat", {"prompt": "Say hello."}))["text"]
    await here.refused("POST", "/api/v1/chat", 422, {"prompt": ""})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"choices": []}, "OpenAI returned no choices"),
        ({}, "OpenAI returned no choices"),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, "OpenAI returned no text content (refusal or tool call)"),
        (
            {"choices": [{"message": {"content": None, "tool_calls": []}}]},
            "OpenAI returned no text content (refusal or tool call)",
        ),
    ],
)
async def test_one_shot_says_what_was_missing(tmp_path: Path, answer: dict[str, Any], message: str) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    async with ScriptedUpstream(json_answer({**answer, "usage": usage})) as up, scripted_desk(tmp_path, up) as here:
        error = await here.refused("POST", "/api/v1/chat", 502, {"prompt": "hi"})
        assert error["message"] == message

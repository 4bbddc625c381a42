"""A chat with tools: its frames, what the conversation keeps of them, a person's decision, and what is left when it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, chat_stream, error_answer, sse_answer
from tests.apps import agent_tools
from tests.apps.desk import Desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream

TOOLS = [f"tests.apps.agent_tools:{name}" for name in ("create_task", "breaks", "hangs", "send_money")]
MILK = ("create_task", {"title": "Buy milk", "description": "Two litres."})


def asking(*wanted: tuple[str, Any], before: str = "") -> Answer:
    """A stream that asks for tools; arguments come in two pieces, as OpenAI sends them."""

    def event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    events = [event({"role": "assistant", "content": before or None})]
    for at, (name, given) in enumerate(wanted):
        text = json.dumps(given)
        head = {"index": at, "id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": text[:5]}}
        events += [event({"tool_calls": [head]}), event({"tool_calls": [{"index": at, "function": {"arguments": text[5:]}}]})]
    events.append(event({}, "tool_calls"))
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return sse_answer([*events, {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage}])


def once(*wanted: tuple[str, Any], then: Answer | None = None, before: str = "") -> Callable[[Request], Answer]:
    def script(request: Request) -> Answer:
        if request.json["messages"][-1]["role"] == "user" and request.json.get("tools"):
            return asking(*wanted, before=before)
        return then or chat_stream(["All ", "done."])

    return script


def frames_of(text: str) -> list[Any]:
    found = [frame.removeprefix("data: ") for frame in text.split("\n\n") if frame]
    return [frame if frame == "[DONE]" else json.loads(frame) for frame in found]


def kinds(frames: list[Any]) -> list[str]:
    return [frame["step"]["kind"] if "step" in frame else "delta" for frame in frames if isinstance(frame, dict)]


async def talk(here: Desk, body: dict[str, Any], path: str = "/apps/chat/stream") -> tuple[list[Any], dict[str, str]]:
    answer = await here.http.post(path, json=body, headers=here.headers())
    assert answer.status_code == 200, answer.text
    names = ("conversation", "question", "message")
    return frames_of(answer.text), {f"{name}_id": answer.headers[f"x-doorward-{name}"] for name in names}


async def test_steps_are_frames_and_part_of_the_answer_that_is_kept(tmp_path: Path) -> None:
    agent_tools.TASKS.clear()
    async with ScriptedUpstream(once(MILK, before="Let me see. ")) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        frames, ids = await talk(here, {"message": "I need milk", "tools": ["create_task"]})
        assert kinds(frames) == ["delta", "model", "tool", "delta", "delta", "model"]
        assert frames[-1] == "[DONE]"
        assert [tool["function"]["name"] for tool in up.requests[0].json["tools"]] == ["create_task"]
        assert agent_tools.TASKS == [{"title": "Buy milk", "description": "Two litres.", "priority": "medium"}]
        step = frames[2]["step"]["details"]
        assert (step["name"], step["failed"], json.loads(step["result"])["id"]) == ("create_task", False, 1)
        assert step["took_ms"] >= 0
        kept = await here.ask("GET", f"/apps/conversations/{ids['conversation_id']}")
        question, answer = kept["messages"]
        assert (question["id"], answer["id"]) == (ids["question_id"], ids["message_id"])
        assert (answer["text"], answer["stopped"]) == ("All done.", False)
        assert [part["type"] for part in answer["parts"]] == ["model", "tool", "model"]
        assert answer["parts"][0]["text"] == "Let me see. "
        assert [part["call_id"] for part in answer["parts"] if part["type"] == "model"][1] == answer["call_id"]

        await talk(here, {"message": "Thanks", "conversation_id": ids["conversation_id"]})
        sent = up.requests[-1].json["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
        assert sent[1]["tool_calls"][0]["function"] == {"name": "create_task", "arguments": json.dumps(MILK[1])}
        assert "tools" not in up.requests[-1].json, "they are asked for with each message"


async def test_without_tools_not_a_byte_is_different(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_stream(["Hi"])) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        answer = await here.http.post("/apps/chat/stream", json={"message": "hi", "tools": []}, headers=here.headers())
        assert answer.content == b'data: {"delta": "Hi"}\n\ndata: [DONE]\n\n'
        text = await here.http.post(
            "/apps/chat/stream?format=text", json={"message": "hi", "tools": ["create_task"]}, headers=here.headers()
        )
        assert text.content == b"data: Hi\n\ndata: [DONE]\n\n"
        refused = await here.refused("POST", "/apps/chat/stream", 404, {"message": "hi", "tools": ["nobody"]})
        assert refused["code"] == "unknown_tool"
        assert len((await here.ask("GET", "/apps/conversations"))["data"]) == 2


async def test_history_is_cut_between_exchanges_never_within_one(tmp_path: Path) -> None:
    async with ScriptedUpstream(once(MILK)) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS, history_tokens=200) as here:
        _, ids = await talk(here, {"message": "I need milk " + "very much " * 60, "tools": ["create_task"]})
        frames, _ = await talk(here, {"message": "And " + "more " * 80, "conversation_id": ids["conversation_id"]})
        assert frames[-1] == "[DONE]"
        assert [message["role"] for message in up.requests[-1].json["messages"]] == ["user"]


async def test_a_person_decides_and_the_answer_goes_on(tmp_path: Path) -> None:
    script = once(("send_money", {"to": "Ann", "cents": 5}), ("send_money", {"to": "Bob", "cents": 7}), MILK)
    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        agent_tools.TASKS.clear()
        frames, ids = await talk(here, {"message": "pay", "tools": ["send_money", "create_task"]})
        assert kinds(frames) == ["model", "approval"]
        assert [call["name"] for call in frames[1]["step"]["details"]["waits_for"]] == ["send_money", "send_money"]
        assert (up.calls, agent_tools.TASKS) == (1, [])
        both = {"call_0": True, "call_1": False}
        own = {name: ids[name] for name in ("conversation_id", "message_id")}
        path = "/apps/chat/approvals"
        await here.refused("POST", path, 409, {**own, "decisions": {"call_0": True}})
        await here.refused("POST", path, 404, {**own, "decisions": both}, key=await here.other())
        await here.refused("POST", path, 404, {**own, "message_id": "msg_x", "decisions": both})

        # meanwhile the conversation may go on: what waits is not shown to the model as if it had happened
        await talk(here, {"message": "pay", "conversation_id": ids["conversation_id"]})
        assert [message["role"] for message in up.requests[-1].json["messages"]] == ["user", "user"]

        done, _ = await talk(here, {**own, "decisions": both}, path)
        assert kinds(done) == ["tool", "tool", "tool", "delta", "delta", "model"]
        told = [message["content"] for message in up.requests[-1].json["messages"] if message["role"] == "tool"]
        assert told[:2] == ["5 sent to Ann", "A person refused this call."]
        assert [message["role"] for message in up.requests[-1].json["messages"][:3]] == ["system", "user", "assistant"]
        await here.refused("POST", path, 409, {**own, "decisions": both})
        exported = await here.ask("GET", f"/apps/conversations/{ids['conversation_id']}/export")
        answer = next(message for message in exported["messages"] if message["id"] == ids["message_id"])
        assert answer["text"] == "All done."
        assert [part["type"] for part in answer["parts"]] == ["model", "approval", "tool", "tool", "tool", "model"]
        assert answer["parts"][1]["decisions"] == both
        found = (await here.ask("GET", "/apps/conversations/search?q=done"))["data"]
        assert ids["message_id"] in {row["message_id"] for row in found}


async def test_two_decisions_at_once_count_once(tmp_path: Path) -> None:
    async with ScriptedUpstream(once(("send_money", {"to": "Ann", "cents": 5}))) as up:
        async with scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
            _, ids = await talk(here, {"message": "pay", "tools": ["send_money"]})
            body = {"conversation_id": ids["conversation_id"], "message_id": ids["message_id"], "decisions": {"call_0": True}}
            posts = (here.http.post("/apps/chat/approvals", json=body, headers=here.headers()) for _ in range(5))
            answers = await asyncio.gather(*posts)
            assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


@pytest.mark.parametrize("tool", ["hangs", "create_task"])
async def test_who_leaves_ends_the_run_and_what_was_done_is_kept(tmp_path: Path, tool: str) -> None:
    wanted = ("hangs", {}) if tool == "hangs" else MILK
    script = once(wanted, then=chat_stream(["word "] * 200, pause_s=0.05))
    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        body = {"message": "go", "tools": [tool]}
        async with here.http.stream("POST", "/apps/chat/stream", json=body, headers=here.headers()) as answer:
            conversation, seen = answer.headers["x-doorward-conversation"], ""
            async for piece in answer.aiter_text():
                seen += piece
                if "model" in seen if tool == "hangs" else "word" in seen:
                    break
        if tool != "hangs":
            await up.wait_for_leavers(1)
        kept = await _eventually(here, f"/apps/conversations/{conversation}")
        answered = kept["messages"][1]
        assert answered["stopped"] is True
        assert answered["text"].startswith("" if tool == "hangs" else "word ")
        assert [part["type"] for part in answered["parts"]] == (["model"] if tool == "hangs" else ["model", "tool"])
        await talk(here, {"message": "and now?", "conversation_id": conversation})
        roles = [message["role"] for message in up.requests[-1].json["messages"]]
        assert roles == (["user", "user"] if tool == "hangs" else ["user", "assistant", "tool", "assistant", "user"])


async def test_a_run_that_breaks_after_a_tool_ran_is_on_record(tmp_path: Path) -> None:
    async with ScriptedUpstream(once(MILK, then=error_answer(400, "context_length_exceeded"))) as up:
        async with scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
            frames, ids = await talk(here, {"message": "go", "tools": ["create_task"]})
            assert frames[-1]["error"]["code"] == "context_length_exceeded"
            answer = (await here.ask("GET", f"/apps/conversations/{ids['conversation_id']}"))["messages"][1]
            assert (answer["stopped"], [part["type"] for part in answer["parts"]]) == (True, ["model", "tool"])


async def test_its_limits_hold(tmp_path: Path) -> None:
    async with (
        ScriptedUpstream(lambda _: asking(MILK)) as up,
        scripted_desk(tmp_path, up, agent_tools=TOOLS, agent_steps=3) as here,
    ):
        frames, _ = await talk(here, {"message": "for ever", "tools": ["create_task"]})
        assert kinds(frames)[-1] == "limit"
        assert up.calls == 3


async def _eventually(here: Desk, path: str) -> Any:
    for _ in range(100):
        answer = await here.http.get(path, headers=here.headers())
        if answer.status_code == 200:
            return answer.json()
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} never came")

"""Agents: the loop, its limits, tools that misbehave, approvals, and real MCP servers."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.answers import Answer, chat_answer, json_answer
from tests.apps import agent_tools
from tests.apps.desk import desk, scripted_desk
from tests.scripted import ScriptedUpstream

from doorward.apps.tool import ToolFailed, tool_of

TOOLS = [f"tests.apps.agent_tools:{name}" for name in ("create_task", "breaks", "hangs", "huge", "send_money")]
MCP = {"command": sys.executable, "args": [str(Path(__file__).with_name("mcp_tools.py")), "stdio"]}


def calls(*wanted: tuple[str, Any]) -> Answer:
    listed = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for at, (name, given) in enumerate(wanted)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": listed}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return json_answer({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": usage})


def once(*wanted: tuple[str, Any]) -> Any:
    return lambda request: calls(*wanted) if request.json["messages"][-1]["role"] == "user" else chat_answer("All done.")


def tool_messages(up: ScriptedUpstream) -> list[dict[str, Any]]:
    return [m for m in up.requests[-1].json["messages"] if m["role"] == "tool"]


async def test_tools_are_called_and_their_results_told(tmp_path: Path) -> None:
    agent_tools.TASKS.clear()
    wanted = ("create_task", {"title": "Buy milk", "description": "Two litres.", "priority": "high"})
    async with ScriptedUpstream(once(wanted, wanted)) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        answer = await here.ask("POST", "/apps/agent", {"message": "I need milk", "tools": ["create_task"]})
        assert (answer["state"], answer["message"]) == ("done", "All done.")
        assert [step["kind"] for step in answer["steps"]] == ["model", "tool", "tool", "model", "answer"]
        assert len(agent_tools.TASKS) == 2
        assert [m["role"] for m in up.requests[1].json["messages"]] == ["system", "user", "assistant", "tool", "tool"]
        assert [m["tool_call_id"] for m in tool_messages(up)] == ["call_0", "call_1"]
        shown = up.requests[0].json["tools"]
        assert [tool["function"]["name"] for tool in shown] == ["create_task"]
        assert (await here.ask("GET", f"/apps/agent/{answer['run_id']}"))["steps"] == answer["steps"]
        await here.refused("GET", f"/apps/agent/{answer['run_id']}", 404, key=await here.other())


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("breaks", {}), "The tool failed: ValueError."),
        (("hangs", {}), "The tool took longer than 0.2 s."),
        (("nobody", {}), "There is no tool nobody."),
        (("create_task", "{broken"), "The arguments are not valid JSON."),
        (("create_task", "[1]"), "The arguments must be a JSON object."),
        (("create_task", {"title": "x"}), "description: Field required"),
        (("create_task", {"title": "x", "description": "y", "priority": "urgent"}), "priority: Input should be"),
        (("huge", {}), "x" * 1000),
    ],
)
async def test_a_tool_that_misbehaves_is_a_result(tmp_path: Path, call: tuple[str, Any], told: str) -> None:
    async with ScriptedUpstream(once(call)) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS, tool_s=0.2) as here:
        answer = await here.ask("POST", "/agent", {"message": "go"})
        assert answer["state"] == "done"
        content = tool_messages(up)[0]["content"]
        assert content.startswith(told)
        assert "inner words" not in content
        assert len(content) < 21_000


@pytest.mark.parametrize(("limits", "limit"), [({"agent_steps": 3}, "steps"), ({"agent_tokens": 100}, "tokens")])
async def test_a_model_that_calls_for_ever_is_stopped(tmp_path: Path, limits: dict[str, Any], limit: str) -> None:
    script = calls(("create_task", {"title": "a", "description": "b"}))
    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS, **limits) as here:
        answer = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert (answer["state"], answer["message"]) == ("stopped", f"It reached its limit of {limit}.")
        assert answer["steps"][-1] == {"number": answer["steps"][-1]["number"], "kind": "limit", "details": {"limit": limit}}
        assert up.calls <= 4


async def test_time_is_bounded(tmp_path: Path) -> None:
    async with ScriptedUpstream(once(("hangs", {}))) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS, agent_s=0.5) as here:
        began = time.monotonic()
        answer = await here.ask("POST", "/apps/agent", {"message": "go"})
        assert answer["state"] == "stopped"
        assert time.monotonic() - began < 5


async def test_a_marked_tool_waits_for_a_person(tmp_path: Path) -> None:
    script = once(("send_money", {"to": "Ann", "cents": 5}), ("send_money", {"to": "Bob", "cents": 7}))
    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        waiting = await here.ask("POST", "/apps/agent", {"message": "pay"})
        assert waiting["state"] == "waiting"
        assert up.calls == 1
        path = f"/apps/agent/{waiting['run_id']}/approvals"
        await here.refused("POST", path, 409, {"decisions": {"call_0": True}})
        await here.refused("POST", path, 404, {"decisions": {"call_0": True, "call_1": True}}, key=await here.other())
        done = await here.ask("POST", path, {"decisions": {"call_0": True, "call_1": False}})
        assert (done["state"], done["message"]) == ("done", "All done.")
        assert [m["content"] for m in tool_messages(up)] == ["5 sent to Ann", "A person refused this call."]
        await here.refused("POST", path, 409, {"decisions": {"call_0": True, "call_1": True}})


async def test_every_step_is_an_event(tmp_path: Path) -> None:
    async with ScriptedUpstream(once(("breaks", {}))) as up, scripted_desk(tmp_path, up, agent_tools=TOOLS) as here:
        headers = here.headers(accept="text/event-stream")
        answer = await here.http.post("/apps/agent", json={"message": "go"}, headers=headers)
        frames = [frame.removeprefix("data: ") for frame in answer.text.split("\n\n") if frame]
        assert frames[-1] == "[DONE]"
        kinds = [json.loads(frame)["step"]["kind"] for frame in frames[:-2]]
        assert kinds[:2] == ["model", "tool"]
        assert json.loads(frames[-2])["result"]["state"] == "done"


async def test_real_mcp_servers_over_stdio(tmp_path: Path) -> None:
    script = once(("calc__add", {"a": 2, "b": 40}), ("calc__environment", {}))
    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, mcp_servers={"calc": MCP}) as here:
        names = [tool["name"] for tool in (await here.ask("GET", "/apps/agent/tools"))["data"]]
        assert {"calc__add", "search_collection"} <= set(names)
        await here.ask("POST", "/apps/agent", {"message": "add"})
        first, second = (m["content"] for m in tool_messages(up))
        assert first == "42"
        assert "PATH" in second
        assert "DOORWARD" not in second
        assert "HOME" not in second.split(","), "a clean environment"
        up.script = once(("calc__die", {}), ("calc__add", {"a": 1, "b": 1}))
        answer = await here.ask("POST", "/apps/agent", {"message": "die"})
        assert answer["state"] == "done"
        assert any("died" in m["content"] for m in tool_messages(up))
        up.script = once(("calc__add", {"a": 3, "b": 3}))
        await here.ask("POST", "/apps/agent", {"message": "again"})
        assert tool_messages(up)[0]["content"] == "6", "it was started again"


async def test_real_mcp_servers_over_http(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, MCP["args"][0], "http", str(port), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        servers = {"web": {"url": f"http://127.0.0.1:{port}/mcp"}}
        async with ScriptedUpstream(once(("web__add", {"a": 20, "b": 22}))) as up:
            async with scripted_desk(tmp_path, up, mcp_servers=servers) as here:
                await here.ask("POST", "/apps/agent", {"message": "add"})
                assert tool_messages(up)[0]["content"] == "42"
                process.kill()
                await process.wait()
                answer = await here.ask("POST", "/apps/agent", {"message": "add"})
                assert answer["state"] == "done"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_bad_input_and_the_simulator(tmp_path: Path) -> None:
    agent_tools.TASKS.clear()
    async with desk(tmp_path, agent_tools=TOOLS[:1]) as here:
        await here.refused("POST", "/apps/agent", 422, {"message": ""})
        error = await here.refused("POST", "/apps/agent", 404, {"message": "go", "tools": ["shell"]})
        assert error["code"] == "unknown_tool"
        answer = await here.ask("POST", "/apps/agent", {"message": "create a task to buy milk", "tools": ["create_task"]})
        assert answer["state"] == "done"
        assert len(agent_tools.TASKS) == 1


async def test_a_schema_comes_from_signature_and_docstring() -> None:
    def f(place: str, days: int = 3, unit: Literal["c", "f"] = "c", tags: list[str] | None = None) -> str:
        """Say the weather.

        place: A town.
        """
        return f"{place} {days} {unit} {tags}"

    tool = tool_of(f)
    assert (tool.name, tool.description) == ("f", "Say the weather.")
    assert tool.parameters["required"] == ["place"]
    assert tool.parameters["properties"]["place"]["description"] == "A town."
    assert tool.parameters["properties"]["unit"]["enum"] == ["c", "f"]
    assert await tool.call({"place": "Ulm", "days": 2}) == "Ulm 2 c None"
    with pytest.raises(ToolFailed, match="days"):
        await tool.call({"place": "Ulm", "days": "many"})
    with pytest.raises(ToolFailed):
        await tool.call({"place": "Ulm", "nonsense": 1})

"""Classification: forced tool, checked, repaired once, then a clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, chat_answer, json_answer
from tests.apps.desk import desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream


def submits(arguments: Any, name: str = "submit_classification") -> Answer:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return json_answer({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": usage})


GOOD = {"category": "b", "confidence": 0.9}


async def test_the_tool_is_forced_and_its_arguments_returned(tmp_path: Path) -> None:
    async with ScriptedUpstream(submits(GOOD)) as up, scripted_desk(tmp_path, up) as here:
        for path in ("/apps/classify", "/classify"):
            answer = await here.ask("POST", path, {"text": "hello", "categories": ["a", "b"]})
            assert answer == {"category": "b", "confidence": 0.9}
        body = up.requests[0].json
        assert body["tool_choice"] == {"type": "function", "function": {"name": "submit_classification"}}
        parameters = body["tools"][0]["function"]["parameters"]
        assert parameters["properties"]["category"]["enum"] == ["a", "b"]


@pytest.mark.parametrize(
    "broken",
    [
        submits({"category": "c", "confidence": 0.9}),
        submits({"category": "a", "confidence": 1.5}),
        submits({"category": "a"}),
        submits("{not json"),
        submits(GOOD, name="other_tool"),
        chat_answer("I think it is b."),
    ],
)
async def test_one_repair_then_a_clear_error(tmp_path: Path, broken: Answer) -> None:
    async with ScriptedUpstream(lambda request: broken if request.number != 1 else submits(GOOD)) as up:
        async with scripted_desk(tmp_path, up) as here:
            answer = await here.ask("POST", "/apps/classify", {"text": "hello", "categories": ["a", "b"]})
            assert answer["category"] == "b"
            repair = up.requests[1].json["messages"][-1]
            assert "Not accepted" in repair["content"]
            up.script = broken
            error = await here.refused("POST", "/apps/classify", 502, {"text": "hello", "categories": ["a", "b"]})
            assert error["code"] == "invalid_classification"
            assert up.calls == 4


async def test_several_labels_batches_and_named_sets(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        schema = request.json["tools"][0]["function"]["parameters"]
        if "labels" in schema["properties"]:
            return submits({"labels": [{"category": "x", "confidence": 0.2}, {"category": "y", "confidence": 0.7}]})
        return submits({"category": request.json["messages"][1]["content"], "confidence": 1})

    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up) as here:
        several = await here.ask("POST", "/apps/classify", {"text": "t", "categories": ["x", "y"], "multi": True})
        assert (several["category"], [one["category"] for one in several["labels"]]) == ("y", ["y", "x"])
        batch = await here.ask("POST", "/apps/classify", {"texts": ["x", "y", "x"], "categories": ["x", "y"]})
        assert [one["category"] for one in batch["data"]] == ["x", "y", "x"]
        admin = await here.door.key(scopes=("call", "admin"))
        await here.refused("PUT", "/apps/label-sets/moods", 403, {"labels": ["x", "y"]})
        await here.ask("PUT", "/apps/label-sets/moods", {"labels": ["x", "y"]}, key=admin)
        assert (await here.ask("POST", "/apps/classify", {"text": "x", "set": "moods"}))["category"] == "x"
        assert (await here.refused("POST", "/apps/classify", 404, {"text": "x", "set": "nobody"}))["code"] == "unknown_set"


async def test_the_simulator_and_bad_input(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        answer = await here.ask("POST", "/apps/classify", {"text": "The invoice is wrong", "categories": ["billing", "sales"]})
        assert answer["category"] in ("billing", "sales")
        assert 0 <= answer["confidence"] <= 1
        assert (await here.ask("POST", "/apps/classify", {"text": "hello there"}))["category"]
        for body in (
            {"text": ""},
            {},
            {"text": "a", "texts": ["b"]},
            {"text": "a", "categories": ["one"]},
            {"text": "a", "categories": ["one", "One"]},
            {"text": "a", "categories": ["one", ""]},
            {"texts": []},
            {"texts": ["a", ""]},
            {"text": "a", "categories": ["one", "two"], "set": "s"},
        ):
            await here.refused("POST", "/apps/classify", 422, body)


async def test_labels_are_shown_only_where_several_were_asked_for(tmp_path: Path) -> None:
    """The answer to the letter (R44): `category` and `confidence`."""
    async with desk(tmp_path) as here:
        wish = {"texts": ["a", "b"], "categories": ["x", "y"]}
        plain = await here.ask("POST", "/classify", wish)
        assert [set(one) for one in plain["data"]] == [{"category", "confidence"}] * 2
        several = await here.ask("POST", "/classify", {**wish, "multi": True})
        assert [set(one) for one in several["data"]] == [{"category", "confidence", "labels"}] * 2
        assert several["data"][0]["labels"][0]["category"] == "x"

"""Chat completions through the released SDK over a socket."""

from __future__ import annotations

import asyncio
import json
from enum import Enum

import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel

from doorward.providers.tokens import count_messages, count_text

MODEL = "sim-gpt-4o-mini"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "description": "Local time of a city"}}
ARTICLE = (
    "Bees live in large colonies. A colony of bees has one queen, and thousands of workers. Workers collect nectar from flowers. "
    "The nectar becomes honey in the colony. People have kept bees for honey for thousands of years. Beekeepers wear veils. "
    "In winter the workers keep the queen warm. Some flowers need bees to make seeds at all."
)


def user(text: str) -> list:
    return [{"role": "user", "content": text}]


async def test_a_plain_answer_mentions_the_question_and_counts_real_tokens(running):
    messages = user("Why is the sky blue?")
    answer = await running.client.chat.completions.create(model=MODEL, messages=messages)
    text = answer.choices[0].message.content
    assert "Why is the sky blue?" in text
    assert text.count(". ") >= 2
    assert answer.usage.prompt_tokens == count_messages(messages, MODEL).tokens
    assert answer.usage.completion_tokens == count_text(text, MODEL).tokens
    assert answer.choices[0].finish_reason == "stop"
    assert answer.system_fingerprint


def test_the_synchronous_client_is_answered_too(running_in_thread):
    with OpenAI(base_url=f"{running_in_thread}/v1", api_key="x", max_retries=0) as client:
        whole = client.chat.completions.create(model=MODEL, messages=user("Say hello in three languages"))
        assert [line.split(":")[0] for line in whole.choices[0].message.content.splitlines()] == ["English", "Spanish", "French"]
        stream = client.chat.completions.create(model=MODEL, messages=user("Say hello in three languages"), stream=True)
        assert "".join(event.choices[0].delta.content or "" for event in stream) == whole.choices[0].message.content


async def test_the_same_request_has_the_same_answer(running):
    ask = {"model": MODEL, "messages": user("What is a monad?"), "n": 3, "seed": 7}
    first = (await running.client.chat.completions.create(**ask)).model_dump(exclude={"created"})
    again = (await running.client.chat.completions.create(**ask)).model_dump(exclude={"created"})
    other = (await running.client.chat.completions.create(**{**ask, "seed": 8})).model_dump(exclude={"created"})
    assert first == again
    assert first != other
    assert len(first["choices"]) == 3


async def test_a_stream_is_the_whole_answer_in_pieces_with_a_usage_chunk_only_when_asked(running):
    ask = {"model": MODEL, "messages": user("What is a monad?"), "n": 2}
    whole = await running.client.chat.completions.create(**ask)
    stream = await running.client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
    texts, reasons, usage = ["", ""], [], None
    async for event in stream:
        for choice in event.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
        usage = event.usage or usage
    assert texts == [choice.message.content for choice in whole.choices]
    assert reasons == ["stop", "stop"]
    assert usage.model_dump() == whole.usage.model_dump()
    plain = await running.client.chat.completions.create(**ask, stream=True)
    assert all(event.usage is None and event.choices for event in [event async for event in plain])


async def test_max_tokens_and_stop_end_the_text(running):
    ask = {"model": MODEL, "messages": user("What is a monad?")}
    short = await running.client.chat.completions.create(**ask, max_completion_tokens=5)
    assert short.choices[0].finish_reason == "length"
    assert short.usage.completion_tokens == 5
    stopped = await running.client.chat.completions.create(**ask, stop=["monad"])
    assert stopped.choices[0].finish_reason == "stop"
    assert "monad" not in stopped.choices[0].message.content


async def test_a_summary_is_shorter_and_made_of_the_texts_own_sentences(running):
    for messages in (user(f"Summarize this: {ARTICLE}"), [{"role": "system", "content": "You summarise."}, *user(ARTICLE)]):
        answer = await running.client.chat.completions.create(model=MODEL, messages=messages)
        text = answer.choices[0].message.content
        assert 0 < len(text) < len(ARTICLE) / 2
        assert all(sentence.strip(" .") in ARTICLE for sentence in text.split(". "))


async def test_a_tool_is_called_once_and_then_its_result_is_told(running):
    messages = user("What is the weather in Oslo, in celsius?")
    asked = await running.client.chat.completions.create(model=MODEL, messages=messages, tools=[TIME, WEATHER])
    (call,) = asked.choices[0].message.tool_calls
    assert asked.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo", "unit": "celsius"})
    messages += [
        asked.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "-3 degrees"},
    ]
    told = await running.client.chat.completions.create(model=MODEL, messages=messages, tools=[TIME, WEATHER])
    assert told.choices[0].message.tool_calls is None
    assert "-3 degrees" in told.choices[0].message.content
    assert "get_weather" in told.choices[0].message.content


async def test_parallel_calls_unless_forbidden_and_the_stream_says_the_same(running):
    ask = {"model": MODEL, "messages": user("Weather in Paris, London and Rome?"), "tools": [WEATHER]}
    whole = await running.client.chat.completions.create(**ask)
    cities = [json.loads(call.function.arguments)["city"] for call in whole.choices[0].message.tool_calls]
    assert cities == ["Paris", "London", "Rome"]
    one = await running.client.chat.completions.create(**ask, parallel_tool_calls=False)
    assert len(one.choices[0].message.tool_calls) == 1
    async with running.client.chat.completions.stream(**ask) as stream:
        final = await stream.get_final_completion()
    assert [c.function.arguments for c in final.choices[0].message.tool_calls] == [
        c.function.arguments for c in whole.choices[0].message.tool_calls
    ]


async def test_a_forced_tool_gets_valid_arguments_with_the_enum_that_the_text_names(running):
    classify = {
        "type": "function",
        "function": {
            "name": "submit_classification",
            "parameters": {
                "type": "object",
                "properties": {
                    "category": {"type": "string", "enum": ["billing", "bug_report", "praise"]},
                    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                },
                "required": ["category", "confidence"],
            },
        },
    }
    for text, category in (("I found a bug: it crashes", "bug_report"), ("much praise to you", "praise"), ("xyz", "billing")):
        answer = await running.client.chat.completions.create(
            model=MODEL,
            messages=user(text),
            tools=[WEATHER, classify],
            tool_choice={"type": "function", "function": {"name": "submit_classification"}},
        )
        arguments = json.loads(answer.choices[0].message.tool_calls[0].function.arguments)
        assert arguments["category"] == category
        assert 0 <= arguments["confidence"] <= 1


async def test_tool_choice_none_and_required_are_obeyed(running):
    ask = {"model": MODEL, "messages": user("Weather in Oslo?"), "tools": [WEATHER]}
    assert (await running.client.chat.completions.create(**ask, tool_choice="none")).choices[0].message.tool_calls is None
    required = await running.client.chat.completions.create(**{**ask, "messages": user("hi")}, tool_choice="required")
    assert required.choices[0].message.tool_calls
    assert (await running.client.chat.completions.create(**{**ask, "messages": user("hi")})).choices[0].message.tool_calls is None


class Mood(Enum):
    glad = "glad"
    sad = "sad"


class Person(BaseModel):
    name: str
    mood: Mood
    friends: list[Person]
    born: int | None


async def test_structured_output_parses_into_the_model(running):
    answer = await running.client.chat.completions.parse(
        model=MODEL, messages=user("The guest was Alice, and she was sad."), response_format=Person
    )
    person = answer.choices[0].message.parsed
    assert (person.name, person.mood) == ("Alice", Mood.sad)


async def test_json_object_is_json_and_must_be_asked_for_in_words(running):
    form = {"type": "json_object"}
    answer = await running.client.chat.completions.create(model=MODEL, messages=user("Why? Answer in JSON."), response_format=form)
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
    with pytest.raises(BadRequestError, match="json"):
        await running.client.chat.completions.create(model=MODEL, messages=user("Why?"), response_format=form)


async def test_a_started_answer_is_continued(running):
    messages = user("What is a monad?")
    whole = (await running.client.chat.completions.create(model=MODEL, messages=messages)).choices[0].message.content
    begun = [*messages, {"role": "assistant", "content": whole[:40]}]
    rest = (await running.client.chat.completions.create(model=MODEL, messages=begun)).choices[0].message.content
    assert whole[:40] + rest == whole


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": MODEL}, "messages"),
        ({"model": MODEL, "messages": []}, "messages"),
        ({"model": MODEL, "messages": ["x"]}, "messages[0]"),
        ({"model": MODEL, "messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"model": MODEL, "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"model": MODEL, "messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]}, "messages[0].tool_call_id"),
        ({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "n": 0}, "n"),
        ({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": "9"}, "max_tokens"),
        ({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "stop": [1]}, "stop"),
        ({"model": MODEL, "messages": [{"role": "user", "content": "x"}], "tool_choice": "required"}, "tool_choice"),
        (
            {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}},
            "response_format.type",
        ),
    ],
)
async def test_bad_requests_are_refused_in_openais_shape(running, body, param):
    with pytest.raises(BadRequestError) as refused:
        await running.client.post("/chat/completions", body=body, cast_to=object)
    assert refused.value.param == param
    assert refused.value.body["type"] == "invalid_request_error"


@pytest.fixture
def running_in_thread():
    """The simulator in another thread's event loop, for clients that block."""
    import threading

    from tests.serving import serving

    from doorward.simulator.app import Simulator

    ready, stop, url = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(Simulator()) as base:
            url.append(base)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield url[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"temperature": "hot"}, "invalid_type"), ({"temperature": 3}, "decimal_out_of_range"), ({"top_p": True}, "invalid_type")],
)
async def test_what_makes_answers_vary_is_checked_as_upstream(running, wrong, code):
    with pytest.raises(BadRequestError) as refused:
        await running.client.chat.completions.create(model=MODEL, messages=user("Hello"), extra_body=wrong)
    assert (refused.value.code, refused.value.param) == (code, next(iter(wrong)))
    fine = await running.client.chat.completions.create(model=MODEL, messages=user("Hello"), temperature=2, top_p=0.5)
    assert fine.choices

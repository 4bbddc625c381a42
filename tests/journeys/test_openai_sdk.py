"""The released openai SDK through a whole Doorward: only `base_url` and `api_key` are changed."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from pydantic import BaseModel
from tests.house import House, house

HELLO = [{"role": "user", "content": "Say hello in three languages"}]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as home:
        yield home


@pytest.fixture
async def client(door: House) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=door.api, api_key=await door.key(), max_retries=0) as made:
        yield made


async def test_the_five_lines_of_the_readme(door: House) -> None:
    """Sync, as most people write it; in a thread, because the door lives in this one."""
    key = await door.key()

    def five_lines() -> str | None:
        from openai import OpenAI

        with OpenAI(base_url=door.api, api_key=key) as client:
            ask = [{"role": "user", "content": "Hello"}]
            return client.chat.completions.create(model="sim-gpt-4o-mini", messages=ask).choices[0].message.content  # type: ignore[arg-type]

    assert "Hello" in (await asyncio.to_thread(five_lines) or "")


async def test_chat_and_the_same_streamed(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="sim-gpt-4o-mini", messages=HELLO)  # type: ignore[arg-type]
    stream = await client.chat.completions.create(
        model="sim-gpt-4o-mini",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},  # type: ignore[arg-type]
    )
    text, usage = "", None
    async for chunk in stream:
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        usage = chunk.usage or usage
    assert text == whole.choices[0].message.content
    assert usage is not None
    assert whole.usage is not None
    assert usage.completion_tokens == whole.usage.completion_tokens


async def test_tools_and_structured_output(client: openai.AsyncOpenAI) -> None:
    weather = {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    answer = await client.chat.completions.create(
        model="sim-gpt-4o-mini",
        messages=[{"role": "user", "content": "Weather in Bern?"}],
        tools=[weather],  # type: ignore[list-item]
        tool_choice={"type": "function", "function": {"name": "weather"}},
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "weather"  # type: ignore[union-attr]

    class City(BaseModel):
        name: str
        people: int

    parsed = await client.chat.completions.parse(
        model="sim-gpt-4o-mini", messages=[{"role": "user", "content": "Bern"}], response_format=City
    )
    assert isinstance(parsed.choices[0].message.parsed, City)


async def test_embeddings_images_and_moderations(client: openai.AsyncOpenAI) -> None:
    found = await client.embeddings.create(model="sim-text-embedding-3-small", input=["one", "two"])
    assert len(found.data) == 2
    assert abs(sum(x * x for x in found.data[0].embedding) - 1) < 1e-3
    models = [model.id async for model in client.models.list()]
    image_model = next(model for model in models if "image" in model or "dall" in model)
    image = await client.images.generate(model=image_model, prompt="a door", response_format="b64_json")
    assert image.data
    assert base64.b64decode(image.data[0].b64_json or "").startswith(b"\x89PNG")
    moderation = next(model for model in models if "moderation" in model)
    assert (await client.moderations.create(model=moderation, input="hello")).results


async def test_audio_both_ways(client: openai.AsyncOpenAI) -> None:
    models = [model.id async for model in client.models.list()]
    speech_model = next(model for model in models if "tts" in model)
    sound = await client.audio.speech.create(model=speech_model, voice="alloy", input="Hello", response_format="wav")
    heard = next(model for model in models if "whisper" in model or "transcribe" in model)
    text = await client.audio.transcriptions.create(model=heard, file=("a.wav", sound.content, "audio/wav"))
    assert text.text


async def test_files_of_ones_own(client: openai.AsyncOpenAI, door: House) -> None:
    content = b'{"a": 1}\n' * 200_000
    made = await client.files.create(file=("a.jsonl", io.BytesIO(content)), purpose="batch")
    assert [item.id async for item in client.files.list()] == [made.id]
    assert (await client.files.content(made.id)).content == content
    async with openai.AsyncOpenAI(base_url=door.api, api_key=await door.key(label="other"), max_retries=0) as other:
        assert [item.id async for item in other.files.list()] == []
        with pytest.raises(openai.NotFoundError):
            await other.files.retrieve(made.id)
    assert (await client.files.delete(made.id)).deleted


async def test_responses_made_streamed_read_and_removed(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(model="sim-gpt-4o-mini", input="Hello")
    assert made.output_text
    assert (await client.responses.retrieve(made.id)).id == made.id
    follow = await client.responses.create(model="sim-gpt-4o-mini", input="And again", previous_response_id=made.id)
    assert follow.previous_response_id == made.id
    kinds = [event.type async for event in await client.responses.create(model="sim-gpt-4o-mini", input="Hello", stream=True)]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_errors_are_the_sdks_own(client: openai.AsyncOpenAI, door: House) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="no-such-model", messages=HELLO)  # type: ignore[arg-type]
    assert unknown.value.code == "model_not_found"
    assert "no-such-model" in str(unknown.value)
    async with openai.AsyncOpenAI(base_url=door.api, api_key="dw-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.models.list()
        assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.APIStatusError) as missing:
        await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)  # type: ignore[arg-type]
    assert (missing.value.status_code, missing.value.code) == (503, "key_not_configured")  # type: ignore[attr-defined]


async def test_a_completion_as_before_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="sim-gpt-3.5-turbo-instruct", prompt="Once upon", max_tokens=8)
    assert answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 8

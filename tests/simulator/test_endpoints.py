"""Every endpoint but chat, through the released SDK over a socket."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import wave
import zlib

import httpx2
import pytest
from openai import APIStatusError, BadRequestError, NotFoundError
from pydantic import BaseModel

from doorward.providers.tokens import count_text

MODEL = "sim-gpt-4o-mini"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


async def test_a_response_and_its_follow_up(running):
    first = await running.client.responses.create(model=MODEL, input="Why is the sky blue?")
    assert "Why is the sky blue?" in first.output_text
    assert first.usage.output_tokens == count_text(first.output_text, MODEL).tokens
    next_one = await running.client.responses.create(model=MODEL, input="And at night?", previous_response_id=first.id)
    assert next_one.previous_response_id == first.id
    assert next_one.usage.input_tokens > first.usage.total_tokens
    assert (await running.client.responses.retrieve(first.id)).output_text == first.output_text
    items = [item async for item in await running.client.responses.input_items.list(next_one.id)]
    assert [item.role for item in items] == ["user", "assistant", "user"]
    await running.client.responses.delete(first.id)
    for gone in (running.client.responses.retrieve(first.id), running.client.responses.delete(first.id)):
        with pytest.raises(NotFoundError):
            await gone
    with pytest.raises(NotFoundError) as refused:
        await running.client.responses.create(model=MODEL, input="x", previous_response_id="resp_nothing")
    assert refused.value.param == "previous_response_id"


async def test_ids_of_stored_things_are_never_given_twice(running):
    ask = {"model": MODEL, "input": "Why is the sky blue?"}
    one, two = await running.client.responses.create(**ask), await running.client.responses.create(**ask)
    assert one.id != two.id
    assert one.output[0].id != two.output[0].id
    assert one.output_text == two.output_text


async def test_a_streamed_response_has_openais_events_in_order(running):
    kinds, text, numbers = [], "", []
    async for event in await running.client.responses.create(model=MODEL, input="What is a monad?", stream=True):
        kinds.append(event.type)
        numbers.append(event.sequence_number)
        text += event.delta if event.type == "response.output_text.delta" else ""
    assert numbers == list(range(len(numbers)))
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert event.response.output_text == text
    assert event.response.usage.output_tokens == count_text(text, MODEL).tokens
    assert (await running.client.responses.retrieve(event.response.id)).status == "completed"


async def test_a_short_limit_makes_a_response_incomplete(running):
    short = await running.client.responses.create(model=MODEL, input="What is a monad?", max_output_tokens=4)
    assert (short.status, short.incomplete_details.reason, short.usage.output_tokens) == ("incomplete", "max_output_tokens", 4)
    events = [e async for e in await running.client.responses.create(model=MODEL, input="What?", max_output_tokens=4, stream=True)]
    assert events[-1].type == "response.incomplete"


async def test_tools_and_structured_output_of_responses(running):
    asked = await running.client.responses.create(model=MODEL, input="Weather in Oslo?", tools=[WEATHER])
    (call,) = asked.output
    assert json.loads(call.arguments) == {"city": "Oslo"}
    told = await running.client.responses.create(
        model=MODEL,
        tools=[WEATHER],
        previous_response_id=asked.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "3 degrees"}],
    )
    assert "3 degrees" in told.output_text
    async with running.client.responses.stream(model=MODEL, input="Weather in Oslo?", tools=[WEATHER]) as stream:
        kinds = [event.type async for event in stream]
        assert (await stream.get_final_response()).output[0].arguments == call.arguments
    assert "response.function_call_arguments.done" in kinds

    class City(BaseModel):
        city: str

    parsed = await running.client.responses.parse(model=MODEL, input="Where is Oslo?", text_format=City)
    assert parsed.output_parsed == City(city="Oslo")


async def test_a_background_response_can_be_cancelled_and_another_cannot(running):
    begun = await running.client.responses.create(model=MODEL, input="What is a monad?", background=True)
    assert (begun.status, begun.output) == ("in_progress", [])
    assert (await running.client.responses.cancel(begun.id)).status == "cancelled"
    assert (await running.client.responses.retrieve(begun.id)).status == "cancelled"
    done = await running.client.responses.create(model=MODEL, input="What is a monad?")
    with pytest.raises(BadRequestError, match="background"):
        await running.client.responses.cancel(done.id)
    assert (await running.client.responses.create(model=MODEL, input="x", store=False)).id not in running.simulator.shelf.responses


async def test_input_tokens_are_counted(running):
    counted = await running.client.responses.input_tokens.count(model=MODEL, input="hello world")
    made = await running.client.responses.create(model=MODEL, input="hello world")
    assert counted.input_tokens == made.usage.input_tokens


async def test_the_older_completions(running):
    whole = await running.client.completions.create(
        model=MODEL, prompt=["What is a monad?", "Say hello in two languages"], max_tokens=40
    )
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert (await running.client.completions.create(model=MODEL, prompt="What?")).usage.completion_tokens == 16
    ask = {"model": MODEL, "prompt": "What is a monad?", "echo": True, "max_tokens": 9}
    echoed = await running.client.completions.create(**ask)
    assert echoed.choices[0].text.startswith("What is a monad?")
    assert (echoed.choices[0].finish_reason, echoed.usage.completion_tokens) == ("length", 9)
    stream = await running.client.completions.create(**ask, stream=True, stream_options={"include_usage": True})
    events = [event async for event in stream]
    assert "".join(choice.text for event in events for choice in event.choices) == echoed.choices[0].text
    assert events[-1].usage == echoed.usage
    with pytest.raises(BadRequestError):
        await running.client.completions.create(model=MODEL, prompt=[{"a": 1}])


def _near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_embeddings_are_unit_vectors_and_near_when_words_are_shared(running):
    texts = ["The cat sat on the mat.", "Two cats are sitting on mats", "Stock markets fell on Friday"]
    # The SDK asks for base64 by itself and decodes it.
    answer = await running.client.embeddings.create(model="sim-text-embedding-3-small", input=texts)
    cat, cats, market = (item.embedding for item in answer.data)
    assert len(cat) == 1536
    assert all(math.isclose(_near(v, v), 1, abs_tol=1e-5) for v in (cat, cats, market))
    assert _near(cat, cats) > 0.3 > 0.15 > abs(_near(cat, market))
    assert answer.usage.prompt_tokens == sum(count_text(text, "sim-x").tokens for text in texts)
    floats = await running.client.embeddings.create(model="sim-text-embedding-3-small", input=texts[0], encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(cat, abs=1e-6)
    small = await running.client.embeddings.create(model="sim-text-embedding-3-large", input=texts[0], dimensions=64)
    assert len(small.data[0].embedding) == 64
    tokens = await running.client.embeddings.create(model="sim-e", input=[[1, 2, 3], [4]])
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (2, 4)
    for wrong in ("", [], ["x", ""], [["x"]], 5):
        with pytest.raises(BadRequestError):
            await running.client.embeddings.create(model="sim-e", input=wrong)


def _png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, pixels = 8, b""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    while at < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = data[at + 8 : at + 8 + length]
        assert zlib.crc32(name + chunk) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        pixels += chunk if name == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(pixels)) == height * (width + 1)
    return width, height


@pytest.mark.filterwarnings("ignore:deprecated")
async def test_images_are_real_png_files(running):
    made = await running.client.images.generate(model="sim-gpt-image-1", prompt="a cat", size="512x256", n=2)
    pictures = [base64.b64decode(item.b64_json) for item in made.data]
    assert [_png_size(picture) for picture in pictures] == [(512, 256)] * 2
    assert pictures[0] != pictures[1]
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    again = await running.client.images.generate(model="sim-gpt-image-1", prompt="a cat", size="512x256", n=2)
    assert again.data == made.data
    by_url = await running.client.images.generate(model="sim-dall-e-3", prompt="a cat", size="1024x1024")
    assert _png_size(base64.b64decode(by_url.data[0].url.partition(",")[2])) == (1024, 1024)
    edited = await running.client.images.edit(model="sim-gpt-image-1", prompt="a hat", image=("a.png", pictures[0]), size="64x64")
    assert _png_size(base64.b64decode(edited.data[0].b64_json)) == (64, 64)
    varied = await running.client.images.create_variation(model="sim-dall-e-2", image=("a.png", pictures[0]), n=1, size="256x256")
    assert varied.data[0].url
    events = [
        e async for e in await running.client.images.generate(model="sim-gpt-image-1", prompt="a cat", size="64x64", stream=True)
    ]
    assert [event.type for event in events] == ["image_generation.completed"]
    for wrong in ({"size": "big"}, {"size": "9999x9999"}, {"n": 11}):
        with pytest.raises(BadRequestError):
            await running.client.images.generate(model="sim-gpt-image-1", prompt="x", **wrong)


@pytest.mark.filterwarnings("ignore:deprecated")
async def test_speech_is_a_tone_and_transcripts_tell_of_it(running):
    speak = running.client.audio.speech.create
    spoken = await (await speak(model="sim-tts-1", voice="alloy", input="Hello there, this is a test.")).aread()
    with wave.open(io.BytesIO(spoken)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (1, 24_000)
        assert 1 < sound.getnframes() / 24_000 < 5
    pcm = await speak(model="sim-tts-1", voice="alloy", input="Hello there, this is a test.", response_format="pcm")
    assert spoken.endswith(await pcm.aread())
    assert pcm.response.headers["content-type"] == "audio/pcm"
    with pytest.raises(BadRequestError):
        await speak(model="sim-tts-1", voice="alloy", input="x" * 5000)

    hear = running.client.audio.transcriptions.create
    file = ("meeting.wav", spoken)
    assert "meeting.wav" in (await hear(model="sim-whisper-1", file=file)).text
    assert "meeting.wav" in await hear(model="sim-whisper-1", file=file, response_format="text")
    assert "00:00:00,000 --> " in await hear(model="sim-whisper-1", file=file, response_format="srt")
    assert (await hear(model="sim-whisper-1", file=file, response_format="vtt")).startswith("WEBVTT\n\n")
    verbose = await hear(model="sim-whisper-1", file=file, response_format="verbose_json")
    assert verbose.duration == pytest.approx((len(spoken) - 44) / 48_000, abs=0.01)
    assert verbose.usage.seconds == math.ceil(verbose.duration)
    assert "translation" in (await running.client.audio.translations.create(model="sim-whisper-1", file=file)).text
    events = [e async for e in await hear(model="sim-gpt-4o-transcribe", file=file, stream=True)]
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == events[-1].text
    with pytest.raises(BadRequestError):
        await hear(model="sim-whisper-1", file=("a.wav", b""))


async def test_moderations(running):
    judged = await running.client.moderations.create(model="sim-omni-moderation-latest", input=["I will kill you", "Good morning"])
    assert [result.flagged for result in judged.results] == [True, False]
    assert judged.results[0].categories.violence
    parts = await running.client.moderations.create(input=[{"type": "text", "text": "a bomb"}])
    assert len(parts.results) == 1


async def test_models(running):
    listed = [model.id async for model in running.client.models.list()]
    assert MODEL in listed
    assert (await running.client.models.retrieve("sim-anything")).id == "sim-anything"


async def test_files_are_kept_until_they_are_deleted(running):
    data = b'{"a": 1}\r\n\r\n--not-the-boundary\r\n\x00\xff'
    made = [await running.client.files.create(file=(f"f{n}.jsonl", data), purpose="batch") for n in range(3)]
    assert (made[0].bytes, made[0].filename) == (len(data), "f0.jsonl")
    assert (await running.client.files.content(made[0].id)).content == data
    assert [file.id async for file in running.client.files.list(limit=2)] == [file.id for file in reversed(made)]
    assert (await running.client.files.list(purpose="vision")).data == []
    assert (await running.client.files.delete(made[0].id)).deleted
    with pytest.raises(NotFoundError):
        await running.client.files.retrieve(made[0].id)
    with pytest.raises(BadRequestError):
        await running.client.files.create(file=("a", b"x"), purpose="fun")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/v1/nothing", {}, 404),
        ("GET", "/", {}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("DELETE", "/v1/models/sim-x", {}, 405),
        ("POST", "/v1/chat/completions", {"content": b"{"}, 400),
        ("POST", "/v1/chat/completions", {"content": b"[1]"}, 400),
        ("POST", "/v1/chat/completions", {"content": b"[" * 5000}, 400),
        ("POST", "/v1/embeddings", {"content": b'{"input": "x"}'}, 400),
        ("POST", "/v1/responses", {"json": {"model": "x"}}, 400),
        ("POST", "/v1/responses", {"json": {"model": "x", "input": [{}]}}, 400),
        ("POST", "/v1/responses", {"json": {"model": "x", "input": [{"type": "function_call_output", "call_id": "c"}]}}, 400),
        ("POST", "/v1/files", {"json": {}}, 400),
        ("POST", "/v1/files", {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ("POST", "/v1/files", {"files": {"file": ("a", b"x")}}, 400),
        ("POST", "/v1/audio/transcriptions", {"data": {"model": "m"}, "files": {"other": ("a", b"x")}}, 400),
        ("GET", "/v1/files/file-none", {}, 404),
        ("GET", "/v1/files?limit=0", {}, 400),
        ("GET", "/v1/responses/resp_none/input_items", {}, 404),
    ],
)
async def test_every_refusal_is_in_openais_shape(running, method, path, sent, status):
    async with httpx2.AsyncClient() as client:
        answer = await client.request(method, running.url + path, **sent)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert running.simulator.log.records[-1].tokens_in == 0


async def test_a_body_over_the_limit_is_a_413():
    from tests.serving import serving

    from doorward.simulator.app import Simulator
    from doorward.simulator.faults import Behaviour

    async with serving(Simulator(Behaviour(max_body_bytes=1000))) as url, httpx2.AsyncClient() as client:
        answer = await client.post(f"{url}/v1/chat/completions", content=b"x" * 1001)
    assert answer.status_code == 413


async def test_the_shelf_is_bounded(running):
    shelf = running.simulator.shelf
    shelf.max_files, shelf.max_responses = 1, 2
    await running.client.files.create(file=("a", b"x"), purpose="batch")
    with pytest.raises(APIStatusError, match="delete some"):
        await running.client.files.create(file=("a", b"x"), purpose="batch")
    for _ in range(3):
        await running.client.responses.create(model=MODEL, input="x")
    assert len(shelf.responses) == 2


async def test_a_text_beyond_every_context_is_refused_and_a_long_one_blocks_nobody(running):
    ask = running.client.chat.completions.create
    with pytest.raises(BadRequestError) as refused:
        await ask(model=MODEL, messages=[{"role": "user", "content": "many words " * 400_000}])
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(BadRequestError) as refused:
        await running.client.embeddings.create(model="sim-e", input="word " * 10_000)
    assert refused.value.code == "context_length_exceeded"
    long = await ask(model=MODEL, messages=[{"role": "user", "content": "Summarize: " + "Cats sleep a lot. " * 20_000}])
    assert long.usage.prompt_tokens > 80_000


async def test_a_stream_that_is_left_leaves_a_cancelled_response(running):
    simulate = {"x-simulate": "tokens_per_s=50, tokens=200"}
    stream = await running.client.responses.create(model=MODEL, input="What?", stream=True, extra_headers=simulate)
    async for event in stream:
        if event.type == "response.created":
            response_id = event.response.id
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    async with asyncio.timeout(5):
        while running.simulator.open_calls:
            await asyncio.sleep(0.01)
    assert (await running.client.responses.retrieve(response_id)).status == "cancelled"

"""The connector over real sockets: what goes out, what comes back, and where the key never is."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import logging
import pickle
import traceback
from contextlib import aclosing
from typing import Any

import pytest
from tests.answers import chat_answer, chat_stream, error_answer, json_answer, silent, sse_answer
from tests.house import CANARY
from tests.scripted import ScriptedUpstream
from tests.serving import serving

from doorward.connector import (
    AudioApi,
    Bearer,
    ChatApi,
    CompletionsApi,
    Config,
    ConnectorError,
    EmbeddingsApi,
    FilesApi,
    ImagesApi,
    ModelsApi,
    ModerationsApi,
    audio,
    chat,
    completions,
    embeddings,
    files,
    images,
    models,
    moderations,
    one_shot,
    text_of,
)
from doorward.connector.chat import ChatRequest, ImagePart, TextPart, user
from doorward.connector.errors import KeyRefused, NoChoices, NoText, RateLimited, Refused, ServerFailed, TimedOut, Unreachable
from doorward.simulator.app import Simulator

MODEL = "sim-gpt-4o-mini"
ASK = ChatRequest(model=MODEL, messages=[user("Why is the sky blue?")])


def config_of(base_url: str, **more: Any) -> Config:
    return Config(auth=Bearer(CANARY), base_url=f"{base_url}/v1", **more)


async def test_both_shapes_of_every_module_work_on_the_simulator() -> None:
    async with serving(Simulator()) as url, config_of(url) as config:
        whole = text_of(await chat.create_chat_completion(config, ASK))
        assert whole == text_of(await ChatApi(config).create_chat_completion(ASK))
        streamed = [chunk async for chunk in ChatApi(config).stream_chat_completion(ASK)]
        assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices) == whole

        plain = completions.CompletionRequest(model="sim-gpt-3.5-turbo-instruct", prompt="Once", max_tokens=5)
        text = (await completions.create_completion(config, plain)).choices[0].text
        assert "".join([c.choices[0].text async for c in CompletionsApi(config).stream_completion(plain) if c.choices]) == text

        texts = embeddings.EmbeddingRequest(model="sim-text-embedding-3-small", input=["one", "two"])
        vectors = embeddings.vectors_of(await embeddings.create_embedding(config, texts))
        assert vectors == embeddings.vectors_of(await EmbeddingsApi(config).create_embedding(texts))
        assert len(vectors) == 2

        drawn = await images.create_image(config, images.ImageRequest(model="sim-dall-e-3", prompt="A door", size="1024x1024"))
        assert drawn.data
        png = io.BytesIO(__import__("base64").b64decode(drawn.data[0].b64_json)) if drawn.data[0].b64_json else b"\x89PNG"
        edit = images.ImageEditRequest(model="sim-gpt-image-1", prompt="Paint it", image=("door.png", png))  # type: ignore[arg-type]
        assert (await ImagesApi(config).edit_image(edit)).data

        spoken = await audio.create_speech(config, audio.SpeechRequest(model="sim-tts-1", input="Hi", voice="alloy"))
        again = [
            piece async for piece in audio.stream_speech(config, audio.SpeechRequest(model="sim-tts-1", input="Hi", voice="alloy"))
        ]
        assert b"".join(again) == spoken
        wav = await AudioApi(config).create_speech(
            audio.SpeechRequest(model="sim-tts-1", input="Hi", voice="alloy", response_format="wav")
        )
        written = await AudioApi(config).create_transcription(
            audio.TranscriptionRequest(model="sim-whisper-1", file=("hi.wav", wav))
        )
        assert getattr(written, "text", None) is not None
        translated = await audio.create_translation(config, audio.TranslationRequest(model="sim-whisper-1", file=("hi.wav", wav)))
        assert getattr(translated, "text", None) is not None

        judged = await moderations.create_moderation(config, moderations.ModerationRequest(input="Hello"))
        assert (
            judged.results[0].flagged
            is (await ModerationsApi(config).create_moderation(moderations.ModerationRequest(input="Hello"))).results[0].flagged
        )

        listed = await models.list_models(config)
        assert (await ModelsApi(config).retrieve_model(listed[0].id)).id == listed[0].id

        kept = await files.create_file(config, files.FileRequest(file=("a.jsonl", b'{"a":1}\n'), purpose="batch"))
        suite = FilesApi(config)
        assert kept.id in [file.id for file in await suite.list_files(purpose="batch")]
        assert (await suite.retrieve_file(kept.id)).bytes == 8
        assert await suite.download_file(kept.id) == b'{"a":1}\n'
        assert (await suite.delete_file(kept.id)).deleted


async def test_what_is_not_set_stays_off_the_wire() -> None:
    async with ScriptedUpstream(chat_answer()) as up, config_of(up.base_url) as config:
        await chat.create_chat_completion(config, ASK)
        parts = [TextPart("What is this?"), ImagePart("data:image/png;base64,AAAA"), {"type": "text", "text": "raw"}]
        full = ChatRequest(
            model="anything/at-all:v7", messages=[user(parts)], temperature=0, tools=[], extra={"top_k": 3, "nothing": None}
        )
        await chat.create_chat_completion(config, full)
    # `stream: false` is the SDK's own way of asking for a whole answer
    first, second = ({k: v for k, v in request.json.items() if k != "stream"} for request in up.requests)
    assert first == {"model": MODEL, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    assert second == {
        "model": "anything/at-all:v7",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "raw"},
                ],
            }
        ],
        "temperature": 0,
        "tools": [],
        "top_k": 3,
        "nothing": None,
    }
    assert up.requests[0].header("authorization") == f"Bearer {CANARY}"


def completion(*choices: Any) -> Any:
    return json_answer({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": list(choices)})


async def test_the_two_messages_of_an_answer_without_text() -> None:
    refusal = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "No."}}
    tool_call = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": []}}
    bare = json_answer({"id": "c", "object": "chat.completion", "created": 1, "model": "m"})
    answers = [completion(), bare, completion(refusal), completion(tool_call), chat_answer("Blue.")]
    async with ScriptedUpstream(answers) as up, config_of(up.base_url) as config:
        for _ in range(2):
            with pytest.raises(NoChoices, match=r"^OpenAI returned no choices$"):
                await one_shot(config, "Why?")
        for _ in range(2):
            with pytest.raises(NoText, match=r"^OpenAI returned no text content \(refusal or tool call\)$"):
                await one_shot(config, "Why?")
        assert await one_shot(config, "Why?", model="o3-mini") == "Blue."
    assert [request.json["model"] for request in up.requests] == ["gpt-4o-mini"] * 4 + ["o3-mini"]


@pytest.mark.parametrize("show", [repr, str, lambda config: f"{config} {config.auth!r} {config!r:>40}", lambda c: repr(c.auth)])
def test_a_config_never_shows_its_bearer(show: Any) -> None:
    assert CANARY not in show(Config(auth=Bearer(CANARY)))


@pytest.mark.parametrize("out", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_config_cannot_be_copied_or_pickled(out: Any) -> None:
    for thing in (Config(auth=Bearer(CANARY)), Bearer(CANARY)):
        with pytest.raises(TypeError) as refused:
            out(thing)
        assert CANARY not in str(refused.value)


@pytest.mark.parametrize("wrong", ["", "  ", f"{CANARY} x", f"{CANARY}\nx", "schlüssel"])
def test_what_can_be_no_key_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(ValueError) as refused:
        Bearer(wrong)
    assert CANARY not in str(refused.value)
    with pytest.raises(TypeError, match="Bearer"):
        Config(auth=CANARY)  # type: ignore[arg-type]
    Bearer(f" {CANARY}\n")


def everything_of(error: BaseException) -> str:
    """The error as loggers that show locals would write it, with all that hangs on it; frames of ours, not of the test."""
    seen: list[str] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None:
            continue
        seen += [str(one), repr(one), repr(vars(one))]
        frames = traceback.walk_tb(one.__traceback__)
        seen += [repr(frame.f_locals) for frame, _ in frames if frame.f_code.co_filename != __file__]
        todo += [one.__cause__, one.__context__]
        assert not hasattr(one, "request"), "the SDK's request holds the header"
    return "\n".join(seen)


async def test_errors_are_told_apart_and_carry_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"Incorrect API key provided: {CANARY}. Or sk-proj-****************wxyz?"
    answers = [
        (error_answer(401, "invalid_api_key", said), KeyRefused, 401),
        (error_answer(403, None, said), KeyRefused, 403),
        (error_answer(400, "bad", said), Refused, 400),
        (error_answer(429, "rate_limit_exceeded", said, headers={"retry-after": "7"}), RateLimited, 429),
        (error_answer(500, None, said), ServerFailed, 500),
        (json_answer(b"{no json"), ConnectorError, None),
    ]
    for answer, kind, status in answers:
        async with ScriptedUpstream(answer) as up, config_of(up.base_url) as config:
            for attempt in (one_shot(config, "Why?"), _all(chat.stream_chat_completion(config, ASK))):
                with pytest.raises(kind) as raised:
                    await attempt
                assert raised.value.upstream_status == status
                assert CANARY not in everything_of(raised.value)
                assert "wxyz" not in everything_of(raised.value)
            assert up.calls == 2, "resending is the caller's choice"
        if kind is RateLimited:
            assert (raised.value.retry_after_s, raised.value.code) == (7.0, "rate_limit_exceeded")
    assert CANARY not in caplog.text


async def _all(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


async def test_no_connection_silence_and_cuts_are_told_apart() -> None:
    async with config_of("http://127.0.0.1:1") as nowhere:
        with pytest.raises(Unreachable) as raised:
            await one_shot(nowhere, "Why?")
        assert CANARY not in everything_of(raised.value)
    async with ScriptedUpstream(silent()) as up, config_of(up.base_url, timeout_s=0.3) as config:
        with pytest.raises(TimedOut) as raised:
            await one_shot(config, "Why?")
        assert CANARY not in everything_of(raised.value)
    stream = chat_stream(["Hel", "lo", " there"])
    quiet_end = sse_answer([{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}], done=False)
    junk = sse_answer(["{no json"])
    for answer in (stream.cut(len(stream.wire) // 2), quiet_end, junk):
        async with ScriptedUpstream(answer) as up, config_of(up.base_url) as config:
            with pytest.raises(ConnectorError) as raised:
                await _all(chat.stream_chat_completion(config, ASK))
            assert CANARY not in everything_of(raised.value)


async def test_leaving_a_stream_closes_its_connection() -> None:
    stream = chat_stream(["a"] * 20).stall(400, 30)
    async with ScriptedUpstream(stream) as up, config_of(up.base_url) as config:
        async with aclosing(ChatApi(config).stream_chat_completion(ASK)) as chunks:
            async for _ in chunks:
                break
        await up.wait_for_leavers(1)


async def test_connections_are_kept_by_config_and_closed_with_it() -> None:
    async with ScriptedUpstream(chat_answer()) as up:
        config = config_of(up.base_url)
        for _ in range(3):
            await one_shot(config, "Why?")
        assert len(up.connections) == 1
        await config.close()
        await up.wait_for_leavers(1)
        await one_shot(config, "Why?")
        assert len(up.connections) == 2
        await config.close()
        await config.close()


async def test_a_config_serves_in_every_event_loop() -> None:
    async with ScriptedUpstream(chat_answer("Blue.")) as up:
        config = config_of(up.base_url)

        async def once() -> str:
            try:
                return await one_shot(config, "Why?")
            finally:
                await config.close()

        for _ in range(2):
            assert await asyncio.to_thread(lambda: asyncio.run(once())) == "Blue."
        assert await once() == "Blue."
        gc.collect()


def test_the_sdk_is_imported_by_the_first_call_alone() -> None:
    import subprocess
    import sys

    code = "import sys, doorward.connector as c; c.Config(auth=c.Bearer('sk-x')); print('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"

"""Audio: text spoken, speech written down, speech written down in English."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from doorward.connector.calling import call, pieces
from doorward.connector.config import Config
from doorward.connector.uploads import Upload
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.audio import TranscriptionCreateResponse, TranslationCreateResponse

PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    model: str
    input: str
    voice: str
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: float | None = None
    extra: Extra | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    file: Upload
    model: str
    language: str | None = None
    """ISO 639-1."""
    prompt: str | None = None
    response_format: Literal["json", "verbose_json", "text", "srt", "vtt"] | None = None
    temperature: float | None = None
    timestamp_granularities: Sequence[Literal["word", "segment"]] | None = None
    extra: Extra | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRequest:
    file: Upload
    model: str
    prompt: str | None = None
    response_format: Literal["json", "verbose_json", "text", "srt", "vtt"] | None = None
    temperature: float | None = None
    extra: Extra | None = None


async def create_speech(config: Config, request: SpeechRequest) -> bytes:
    """The whole recording, in `response_format` (mp3 by default)."""
    fields = arguments(request)

    async def spoken(client: AsyncOpenAI) -> bytes:
        return (await client.audio.speech.create(**fields)).content

    return await call(config, spoken)


def stream_speech(config: Config, request: SpeechRequest) -> AsyncGenerator[bytes, None]:
    """The recording's bytes as they arrive, so that playing can begin at once."""
    fields = arguments(request)

    @asynccontextmanager
    async def speaking(client: AsyncOpenAI) -> AsyncIterator[AsyncIterator[bytes]]:
        async with client.audio.speech.with_streaming_response.create(**fields) as answer:
            yield answer.iter_bytes(PIECE_BYTES)

    async def opening(client: AsyncOpenAI) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return speaking(client)

    return pieces(config, opening)


async def create_transcription(config: Config, request: TranscriptionRequest) -> TranscriptionCreateResponse | str:
    """An object with `text`; a plain string for the formats `text`, `srt` and `vtt`."""
    fields = arguments(request)
    written: TranscriptionCreateResponse | str = await call(
        config, lambda client: client.audio.transcriptions.create(**fields, stream=False)
    )
    return written


async def create_translation(config: Config, request: TranslationRequest) -> TranslationCreateResponse | str:
    """As `create_transcription`, in English."""
    fields = arguments(request)

    def translating(client: AsyncOpenAI) -> Awaitable[TranslationCreateResponse | str]:
        # The SDK marks this endpoint as old; it is part of the API, and the warning is not for our callers.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            begun: Awaitable[TranslationCreateResponse | str] = client.audio.translations.create(**fields)
        return begun

    return await call(config, translating)


class AudioApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_speech(self, request: SpeechRequest) -> bytes:
        return await create_speech(self._config, request)

    def stream_speech(self, request: SpeechRequest) -> AsyncGenerator[bytes, None]:
        return stream_speech(self._config, request)

    async def create_transcription(self, request: TranscriptionRequest) -> TranscriptionCreateResponse | str:
        return await create_transcription(self._config, request)

    async def create_translation(self, request: TranslationRequest) -> TranslationCreateResponse | str:
        return await create_translation(self._config, request)

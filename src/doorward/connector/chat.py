"""Chat completions: whole, streamed, and the shortest way from a prompt to text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from doorward.connector.calling import call, pieces
from doorward.connector.config import Config
from doorward.connector.content import (
    AudioPart,
    Content,
    FilePart,
    ImagePart,
    Json,
    Message,
    Part,
    TextPart,
    assistant,
    system,
    user,
)
from doorward.connector.errors import NoChoices, NoText, Unreachable
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

__all__ = [
    "AudioPart",
    "ChatApi",
    "ChatRequest",
    "Content",
    "FilePart",
    "ImagePart",
    "Message",
    "Part",
    "TextPart",
    "assistant",
    "create_chat_completion",
    "one_shot",
    "stream_chat_completion",
    "system",
    "text_of",
    "user",
]

DEFAULT_MODEL = "gpt-4o-mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """`model` is any string. Reasoning models take `max_completion_tokens`, older ones `max_tokens`."""

    model: str
    messages: Sequence[Message | Json]
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    stop: str | Sequence[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: Json | None = None
    tools: Sequence[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    modalities: Sequence[Literal["text", "audio"]] | None = None
    audio: Json | None = None
    stream_options: Mapping[str, bool] | None = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: Mapping[str, str] | None = None
    user: str | None = None
    extra: Extra | None = None


async def create_chat_completion(config: Config, request: ChatRequest) -> ChatCompletion:
    """One whole answer. Raises `ConnectorError`s."""
    fields = arguments(request)
    completion: ChatCompletion = await call(config, lambda client: client.chat.completions.create(**fields, stream=False))
    return completion


async def stream_chat_completion(config: Config, request: ChatRequest) -> AsyncGenerator[ChatCompletionChunk, None]:
    """The answer's chunks as they arrive. Leaving early (`aclosing`) closes the call, which stops the bill.

    A stream that ends before any choice has finished raises `Unreachable`: the SDK takes it for a complete one.
    """
    fields = arguments(request)
    finished = False
    async with aclosing(pieces(config, lambda client: client.chat.completions.create(**fields, stream=True))) as chunks:
        async for chunk in chunks:
            finished = finished or any(choice.finish_reason for choice in chunk.choices or ())
            yield chunk
    if not finished:
        raise Unreachable("The answer broke off before its end. It may have been billed.")


class ChatApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_chat_completion(self, request: ChatRequest) -> ChatCompletion:
        return await create_chat_completion(self._config, request)

    def stream_chat_completion(self, request: ChatRequest) -> AsyncGenerator[ChatCompletionChunk, None]:
        return stream_chat_completion(self._config, request)


def text_of(completion: ChatCompletion) -> str:
    """The first choice's text. Raises `NoChoices`, or `NoText` for a refusal, a tool call or nothing (R48)."""
    # The SDK builds what came without checking it: a field its types promise may be missing.
    choices = getattr(completion, "choices", None)
    if not choices:
        raise NoChoices
    content = getattr(choices[0].message, "content", None)
    if not isinstance(content, str) or not content:
        raise NoText
    return content


async def one_shot(config: Config, prompt: str, model: str | None = None) -> str:
    """A prompt in, text out: no history, no system prompt."""
    return text_of(await create_chat_completion(config, ChatRequest(model=model or DEFAULT_MODEL, messages=[user(prompt)])))

"""Completions of plain text, for the models that still have them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorward.connector.calling import call, pieces
from doorward.connector.config import Config
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai.types import Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    model: str
    prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
    """Text, several texts, or their tokens."""
    suffix: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    stop: str | Sequence[str] | None = None
    logprobs: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stream_options: Mapping[str, bool] | None = None
    user: str | None = None
    extra: Extra | None = None


async def create_completion(config: Config, request: CompletionRequest) -> Completion:
    fields = arguments(request)
    completion: Completion = await call(config, lambda client: client.completions.create(**fields, stream=False))
    return completion


def stream_completion(config: Config, request: CompletionRequest) -> AsyncGenerator[Completion, None]:
    """Its pieces as they arrive. Leaving early (`aclosing`) closes the call."""
    fields = arguments(request)
    return pieces(config, lambda client: client.completions.create(**fields, stream=True))


class CompletionsApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_completion(self, request: CompletionRequest) -> Completion:
        return await create_completion(self._config, request)

    def stream_completion(self, request: CompletionRequest) -> AsyncGenerator[Completion, None]:
        return stream_completion(self._config, request)

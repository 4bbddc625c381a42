"""Embeddings: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from doorward.connector.calling import call
from doorward.connector.config import Config
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai.types import CreateEmbeddingResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    model: str
    input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
    """Text, several texts, or their tokens."""
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    """Unset: the SDK asks for base64, which is shorter, and hands out floats."""
    user: str | None = None
    extra: Extra | None = None


async def create_embedding(config: Config, request: EmbeddingRequest) -> CreateEmbeddingResponse:
    fields = arguments(request)
    return await call(config, lambda client: client.embeddings.create(**fields))


def vectors_of(response: CreateEmbeddingResponse) -> list[list[float]]:
    """The vectors in the order of the inputs, whatever order they came in."""
    return [row.embedding for row in sorted(response.data, key=lambda row: row.index)]


class EmbeddingsApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_embedding(self, request: EmbeddingRequest) -> CreateEmbeddingResponse:
        return await create_embedding(self._config, request)

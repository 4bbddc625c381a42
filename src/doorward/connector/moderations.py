"""Moderations: whether text or images break rules, by category. Free of charge at OpenAI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorward.connector.calling import call
from doorward.connector.config import Config
from doorward.connector.content import ImagePart, Json, TextPart
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai.types import ModerationCreateResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationRequest:
    input: str | Sequence[str] | Sequence[TextPart | ImagePart | Json]
    model: str | None = None
    extra: Extra | None = None


async def create_moderation(config: Config, request: ModerationRequest) -> ModerationCreateResponse:
    fields = arguments(request)
    return await call(config, lambda client: client.moderations.create(**fields))


class ModerationsApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_moderation(self, request: ModerationRequest) -> ModerationCreateResponse:
        return await create_moderation(self._config, request)

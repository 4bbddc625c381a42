"""Models: which there are for this key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doorward.connector.calling import call
from doorward.connector.config import Config

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Model


async def list_models(config: Config) -> list[Model]:
    async def listed(client: AsyncOpenAI) -> list[Model]:
        return [model async for model in client.models.list()]

    return await call(config, listed)


async def retrieve_model(config: Config, model: str) -> Model:
    return await call(config, lambda client: client.models.retrieve(model))


class ModelsApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def list_models(self) -> list[Model]:
        return await list_models(self._config)

    async def retrieve_model(self, model: str) -> Model:
        return await retrieve_model(self._config, model)

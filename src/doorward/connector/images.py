"""Images: drawn from words, edited, varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorward.connector.calling import call
from doorward.connector.config import Config
from doorward.connector.uploads import Upload
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai.types import ImagesResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    prompt: str
    model: str | None = None
    n: int | None = None
    size: str | None = None
    """`"1024x1024"` and the like."""
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    moderation: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    response_format: str | None = None
    """`"url"` or `"b64_json"`; gpt-image models always answer base64."""
    user: str | None = None
    extra: Extra | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEditRequest:
    image: Upload | Sequence[Upload]
    """A list is several images; a tuple is one, with its name."""
    prompt: str
    mask: Upload | None = None
    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    input_fidelity: str | None = None
    output_format: str | None = None
    response_format: str | None = None
    user: str | None = None
    extra: Extra | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageVariationRequest:
    image: Upload
    model: str | None = None
    n: int | None = None
    size: str | None = None
    response_format: str | None = None
    user: str | None = None
    extra: Extra | None = None


async def create_image(config: Config, request: ImageRequest) -> ImagesResponse:
    fields = arguments(request)
    drawn: ImagesResponse = await call(config, lambda client: client.images.generate(**fields, stream=False))
    return drawn


async def edit_image(config: Config, request: ImageEditRequest) -> ImagesResponse:
    fields = arguments(request)
    edited: ImagesResponse = await call(config, lambda client: client.images.edit(**fields, stream=False))
    return edited


async def create_image_variation(config: Config, request: ImageVariationRequest) -> ImagesResponse:
    fields = arguments(request)
    return await call(config, lambda client: client.images.create_variation(**fields))


class ImagesApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_image(self, request: ImageRequest) -> ImagesResponse:
        return await create_image(self._config, request)

    async def edit_image(self, request: ImageEditRequest) -> ImagesResponse:
        return await edit_image(self._config, request)

    async def create_image_variation(self, request: ImageVariationRequest) -> ImagesResponse:
        return await create_image_variation(self._config, request)

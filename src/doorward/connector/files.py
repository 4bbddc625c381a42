"""Files: kept at the API for later calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from doorward.connector.calling import call
from doorward.connector.config import Config
from doorward.connector.uploads import Upload
from doorward.connector.wire import Extra, arguments

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import FileDeleted, FileObject


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    file: Upload
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    extra: Extra | None = None


async def create_file(config: Config, request: FileRequest) -> FileObject:
    fields = arguments(request)
    return await call(config, lambda client: client.files.create(**fields))


async def list_files(config: Config, *, purpose: str | None = None) -> list[FileObject]:
    """All of them: further pages are fetched as needed."""

    async def listed(client: AsyncOpenAI) -> list[FileObject]:
        pages = client.files.list() if purpose is None else client.files.list(purpose=purpose)
        return [file async for file in pages]

    return await call(config, listed)


async def retrieve_file(config: Config, file_id: str) -> FileObject:
    return await call(config, lambda client: client.files.retrieve(file_id))


async def download_file(config: Config, file_id: str) -> bytes:
    """The whole content, in memory."""

    async def content(client: AsyncOpenAI) -> bytes:
        return (await client.files.content(file_id)).content

    return await call(config, content)


async def delete_file(config: Config, file_id: str) -> FileDeleted:
    return await call(config, lambda client: client.files.delete(file_id))


class FilesApi:
    """The same, bound to a config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def create_file(self, request: FileRequest) -> FileObject:
        return await create_file(self._config, request)

    async def list_files(self, *, purpose: str | None = None) -> list[FileObject]:
        return await list_files(self._config, purpose=purpose)

    async def retrieve_file(self, file_id: str) -> FileObject:
        return await retrieve_file(self._config, file_id)

    async def download_file(self, file_id: str) -> bytes:
        return await download_file(self._config, file_id)

    async def delete_file(self, file_id: str) -> FileDeleted:
        return await delete_file(self._config, file_id)

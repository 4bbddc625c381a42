"""One call, or one stream, with the SDK's errors turned into ours.

Ours are raised after the handler has been left: inside it, the SDK's error would hang on ours as its context, and with
it the request's headers, the key among them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

from doorward.connector.config import Config, client_of, key_of
from doorward.connector.errors import of_sdk

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")


async def call(config: Config, work: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    """Do `work` with the config's client. Raises `ConnectorError`s only."""
    client, failures = client_of(config), _failures()
    try:
        return await work(client)
    except failures as error:
        failure = of_sdk(error, key_of(config))
    raise failure


Opening = Callable[["AsyncOpenAI"], Awaitable[AbstractAsyncContextManager[AsyncIterator[T]]]]


async def pieces(config: Config, opening: Opening[T]) -> AsyncGenerator[T, None]:
    """What a stream brings. Closing the generator closes the connection."""
    client, failures = client_of(config), _failures()
    try:
        async with await opening(client) as arriving:
            async for piece in arriving:
                yield piece
        return
    except failures as error:
        failure = of_sdk(error, key_of(config))
    raise failure


def _failures() -> tuple[type[Exception], ...]:
    from httpx2 import HTTPError, StreamError
    from openai import OpenAIError

    # ValueError: the SDK leaves an event that is no JSON to its reader
    return (OpenAIError, HTTPError, StreamError, ValueError)

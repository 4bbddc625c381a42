"""Long work as a stream of events, for who says `Accept: text/event-stream`: progress, then the result, then `[DONE]`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from doorward.apps import frames
from doorward.core.errors import DoorwardError

WAITING_S = 15.0
"""Without a word for so long a proxy might give up: a comment is sent, which every reader of events passes over."""
WAITING = b": waiting\n\n"
Tell = Callable[[int, int], Awaitable[None]]


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


async def told(work: Callable[[Tell], Awaitable[BaseModel]], name: str = "chunk") -> AsyncGenerator[bytes]:
    """`{"progress": {"chunk": 3, "of": 12}}` frames, then `{"result": …}`. Closing it ends the work."""
    news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def tell(finished: int, of: int) -> None:
        news.put_nowait({"progress": {name: finished, "of": of}})

    working = asyncio.ensure_future(work(tell))
    working.add_done_callback(lambda _: news.put_nowait(None))
    started = False
    try:
        while True:
            try:
                one = await asyncio.wait_for(news.get(), WAITING_S)
            except TimeoutError:
                yield WAITING
            else:
                if one is None:
                    break
                yield frames.frame(one)
            started = True
        yield frames.frame({"result": working.result().model_dump()})
        yield frames.DONE
    except DoorwardError as error:
        if not started:
            raise
        yield frames.error(error)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

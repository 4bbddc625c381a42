"""A stream of events as an answer. Sent piece by piece on the bare connection; a client that leaves ends it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

GONE = "doorward.gone"


class Streamed(Response):
    """`frames` is closed whatever happens. `first` was asked for already, so that a refusal could still be a status."""

    def __init__(self, first: bytes, frames: AsyncGenerator[bytes], headers: Mapping[str, str] | None = None) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self._first = first
        self._frames = frames
        # a proxy in front must not gather events (nginx obeys the last one)
        self.init_headers(
            {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})}
        )

    @classmethod
    async def begin(cls, frames: AsyncGenerator[bytes], headers: Mapping[str, str] | None = None) -> Streamed:
        """Waits for the first frame; what is raised before it is raised here."""
        try:
            first = await anext(frames)
        except StopAsyncIteration:
            first = b""
        except BaseException:
            await frames.aclose()
            raise
        return cls(first, frames, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if GONE in scope:  # Doorward's own server cancels this task itself
            await self._send(send)
            return
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

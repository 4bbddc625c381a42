"""A spooled request body on its way out, beside the wait for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from doorward.core.exchange import Body


class Sink(Protocol):
    """The writing side of a connection."""

    def write(self, data: bytes) -> None: ...

    def unwritten(self) -> int:
        """Bytes given to `write` that the kernel has not taken."""

    async def drained(self) -> None:
        """Until `unwritten` is 0, or the connection is gone."""


class Upload:
    """Owns a task; `over(why)` is called once at its end, with ``""`` when the body went out whole.

    An answer may come, whole, before the last byte is out (a 413): the upload then goes on until
    it is done or somebody calls `stop`.
    """

    __slots__ = ("_given", "_over", "_sink", "_task", "running")

    def __init__(self, sink: Sink, body: Body, over: Callable[[str], None]) -> None:
        self._sink = sink
        self._over = over
        self._given = 0
        self.running = True
        self._task = asyncio.create_task(self._run(body))

    @property
    def sent(self) -> int:
        """Body bytes that left."""
        return self._given - self._sink.unwritten()

    def stop(self) -> None:
        if self.running:
            self.running = False
            self._task.cancel()

    async def _run(self, body: Body) -> None:
        why = ""
        chunks = body.chunks()
        try:
            async for chunk in chunks:
                self._given += len(chunk)
                if self._given > body.size:
                    break
                self._sink.write(chunk)
                await self._sink.drained()
        except OSError:
            why = "the spooled request body could not be read"
        finally:
            if isinstance(chunks, AsyncGenerator):  # its file is closed now, not when it is collected
                await chunks.aclose()
        if self.running:
            self.running = False
            if not why and self._given != body.size:
                why = "the spooled request body was not as long as announced"
            self._over(why)

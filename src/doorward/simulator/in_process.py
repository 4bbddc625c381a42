"""The simulator behind the relay without a socket: `upstream.port.Transport`, by shape.

This floor may not import the port, so the port's exception comes in as a factory: `lost(message,
stage)` makes what a broken connection raises (stage 1: sent, 2: after the head, 3: in the body).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from doorward.core.exchange import Body, Header
from doorward.simulator.app import Simulator

HIGH_WATER_BYTES = 256 * 1024
"""Of answer bytes that nobody has read yet; then the simulator waits, as it would on a socket."""


class Asked(Protocol):
    """What is read of `upstream.port.Outgoing`."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> bytes: ...
    @property
    def headers(self) -> list[Header]: ...
    @property
    def body(self) -> Body: ...
    @property
    def head_s(self) -> float: ...


Broken = Callable[[str, int], Exception]


def _reset_error(message: str, stage: int) -> Exception:
    return ConnectionResetError(f"{message} (stage {stage})")


class SimulatorTransport:
    """`silent(message, stage)` makes what a passed time limit raises."""

    def __init__(
        self, simulator: Simulator, lost: Broken = _reset_error, silent: Broken = lambda message, stage: TimeoutError(message)
    ) -> None:
        self._simulator, self._lost, self._silent = simulator, lost, silent
        self._open: set[_Answering] = set()

    async def open(self, outgoing: Asked) -> _Answering:
        """Run the app until its head; cancelling stops it."""
        body = outgoing.body.data
        if body is None:
            body = b"".join([chunk async for chunk in outgoing.body.chunks()])
        path, _, query = outgoing.target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "method": outgoing.method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": outgoing.headers,
        }
        answering = _Answering(self._lost, self._silent, self._open.discard)
        scope["extensions"] = {"doorward.connection": _Grip(answering)}
        self._open.add(answering)
        try:
            await answering.begin(self._simulator, scope, body, outgoing.head_s)
        except BaseException:
            answering.close()
            raise
        return answering

    async def close(self) -> None:
        for answering in list(self._open):
            answering.close()


class _Answering:
    """A response whose head has arrived (`upstream.port.Incoming`)."""

    def __init__(self, lost: Broken, silent: Broken, forget: Callable[[_Answering], None]) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self._lost, self._silent, self._forget = lost, silent, forget
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._complete = self._broken = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._task: asyncio.Task[None] | None = None

    async def begin(self, app: Simulator, scope: dict[str, Any], body: bytes, head_s: float) -> None:
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                # Leaving is told by cancelling: there is nothing else to hear.
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": body}

        self._task = asyncio.ensure_future(app(scope, receive, self._send))
        self._task.add_done_callback(self._ended)
        await self._until(lambda: bool(self.status), head_s, 1)

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            if chunk := message.get("body", b""):
                self._chunks.append(chunk)
                self._held += len(chunk)
            if not message.get("more_body", False):
                self._complete = True
        self._news.set()
        if self._held > HIGH_WATER_BYTES:
            self._room.clear()
            await self._room.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        failed = not task.cancelled() and task.exception() is not None
        self._broken = self._broken or failed or not self._complete
        self._news.set()

    async def read(self, within_s: float) -> bytes:
        await self._until(lambda: bool(self._chunks) or self._complete, within_s, 3)
        if not self._chunks:
            self._forget(self)
            return b""
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._held <= HIGH_WATER_BYTES:
            self._room.set()
        return chunk

    async def _until(self, there: Callable[[], bool], within_s: float, stage: int) -> None:
        if there():
            return
        try:
            async with asyncio.timeout(within_s):
                while not there():
                    if self._broken:
                        self._forget(self)
                        raise self._lost("the simulator dropped the connection", stage)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise self._silent(f"the simulator said nothing for {within_s:g} s", stage) from None

    def close(self) -> None:
        """Stop the app at once if it still runs."""
        self._forget(self)
        if self._task is not None and not self._task.done():
            self._broken = True
            self._task.cancel()
        self._news.set()

    def dropped(self, *, unread: bool) -> None:
        """The app ended its own answer early; what is `unread` may still be read, or is lost too."""
        if not unread:
            self._chunks.clear()
        self._broken = True
        self._news.set()


class _Grip:
    """The app's hold on this answer (`delivery.Connection`)."""

    def __init__(self, answering: _Answering) -> None:
        self._answering = answering

    def reset(self) -> None:
        self._answering.dropped(unread=False)

    def close(self) -> None:
        self._answering.dropped(unread=True)

"""The door on a real socket with an app of the test's choice, and a client that sends whatever bytes it likes."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop
from tests.counts import FULL

from doorward.edge.server import Limits, serve

App = Callable[[Any, Any, Any], Awaitable[None]]


def on_uvloop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """The test runs on the loop that serves in production."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            # pytest's own timeout is a signal, which does not interrupt this loop.
            runner.run(_bounded(test(*arguments, **named)))

    return run


async def _bounded(test: Awaitable[None]) -> None:
    async with asyncio.timeout(900 if FULL else 30):
        await test


@dataclass
class Door:
    port: int
    stop: asyncio.Event
    serving: asyncio.Task[None]
    scopes: list[Any] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, data: bytes, *, within_s: float = 10.0) -> bytes:
        """Send and read until the door closes; a reset ends the reading too."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = b""
        try:
            async with asyncio.timeout(within_s):
                while chunk := await reader.read(65536):
                    answer += chunk
        except ConnectionResetError:
            pass
        finally:
            writer.transport.abort()
        return answer


@asynccontextmanager
async def door(app: App, limits: Limits | None = None, **options: Any) -> AsyncIterator[Door]:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    scopes: list[Any] = []

    async def seen(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    serving = asyncio.create_task(
        serve(
            seen,
            port=0,
            limits=limits or Limits(linger_s=0.2),
            stop=stop,
            lifespan="off",
            on_ready=lambda _, port: ready.set_result(port),
            **({"drain_s": 0.2} | options),
        )
    )
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield Door(ready.result(), stop, serving, scopes)
    finally:
        stop.set()
        await serving


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers 200 with the size of the body, with the request's id."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    body = json.dumps({"size": size, "path": scope["path"]}).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"x-request-id", scope["doorward.request_id"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape; fails if it is anything else (I11)."""
        shape = json.loads(self.body)
        assert set(shape) == {"error"}, shape
        assert set(shape["error"]) == {"message", "type", "param", "code"}, shape
        assert isinstance(shape["error"]["message"], str)
        assert shape["error"]["message"]
        assert self.headers["x-request-id"]
        assert self.headers["content-type"] == "application/json"
        return shape["error"]


def answers(data: bytes) -> list[Answer]:
    """All answers in what a connection gave; fails on anything that is not HTTP."""
    found = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, data
        first, *lines = head.split(b"\r\n")
        version, status, _ = first.split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            assert colon, line
            headers[name.decode().lower()] = value.strip().decode()
        if int(status) < 200:
            data = rest
            continue
        length = int(headers["content-length"])
        assert len(rest) >= length, "the answer is cut"
        found.append(Answer(int(status), headers, rest[:length]))
        data = rest[length:]
    return found

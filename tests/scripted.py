"""An upstream on a raw socket that does exactly what a test tells it, and counts: the truth that tests compare with.

    async with ScriptedUpstream(chat_answer("Hello")) as up:          # every request
    async with ScriptedUpstream([error_answer(500, None), chat_answer("Hello")]) as up:   # in order, the last repeats
    async with ScriptedUpstream(lambda request: chat_stream(["a"]) if request.json["stream"] else chat_answer()) as up:

    up.base_url, up.origin, up.ca_file       where it is (127.0.0.1, a port of its own; `tls=True`)
    up.requests[0].header("authorization"), .json, .body, .target, .at_s
    up.connections[0].left_s                 when the client went (monotonic), `None` while it is there
    up.calls, up.billed, up.bills            requests taken; answers charged
    up.open                                  connections now
    await up.wait_for_calls(1), await up.wait_for_leavers(1)

Answers and steps are in `tests/answers.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from tests.answers import Answer, Bill, Close, Cut, Drip, Never, Reset, Sleep, Step, StopReading

from doorward.upstream.port import Origin

Script = Answer | bytes | Sequence[Answer | bytes] | Callable[["Request"], Answer | bytes | Awaitable[Answer | bytes]]


@cache
def authority() -> trustme.CA:
    """Signs every scripted certificate of this test process."""
    return trustme.CA()


@dataclass
class Request:
    number: int
    """From 0, over all connections."""
    method: str
    target: str
    headers: list[tuple[str, str]]
    raw_head: bytes
    at_s: float
    """Monotonic, when its head was whole."""
    connection: Connection
    body: bytes = b""
    answered_s: float | None = None
    """When the last step was done."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    opened_s: float
    left_s: float | None = None
    """When the client closed or reset it; `None` while it is open, or when we ended it."""
    ended_s: float | None = None
    """When it was over, whoever ended it."""
    was_reset: bool = False
    """The client's end came as a reset."""
    received: int = 0
    sent: int = 0
    requests: list[Request] = field(default_factory=list)


class ScriptedUpstream:
    """`at_connect` is done before any request is read; `at_head` answers without waiting for the request's body.

    TLS: `names` go into the certificate, `expired` makes it yesterday's.
    """

    def __init__(
        self,
        script: Script = b"",
        *,
        tls: bool = False,
        names: Sequence[str] = ("127.0.0.1", "localhost"),
        expired: bool = False,
        at_connect: Sequence[Step] = (),
        at_head: bool = False,
    ) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.bills: list[Bill] = []
        self.port = 0
        self.tls = tls
        self.at_connect = tuple(at_connect)
        self.at_head = at_head
        self._names = names
        self._expired = expired
        self._peers: set[_Peer] = set()
        self._stack = contextlib.ExitStack()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def origin(self) -> Origin:
        return Origin("https" if self.tls else "http", "127.0.0.1", self.port, allow_private=True)

    @property
    def ca_file(self) -> Path:
        return Path(self._stack.enter_context(authority().cert_pem.tempfile(tempfile.gettempdir())))

    @property
    def calls(self) -> int:
        return len(self.requests)

    @property
    def billed(self) -> int:
        return len(self.bills)

    @property
    def open(self) -> int:
        return sum(connection.ended_s is None for connection in self.connections)

    async def wait_for_calls(self, calls: int, within_s: float = 5.0) -> None:
        await self._wait(lambda: self.calls >= calls, f"{calls} calls", within_s)

    async def wait_for_leavers(self, leavers: int, within_s: float = 5.0) -> None:
        """Until so many connections were ended by the client."""
        await self._wait(lambda: sum(c.left_s is not None for c in self.connections) >= leavers, f"{leavers} leavers", within_s)

    async def wait_for_open(self, connections: int, within_s: float = 5.0) -> None:
        await self._wait(lambda: self.open == connections, f"{connections} open connections", within_s)

    async def _wait(self, reached: Callable[[], bool], what: str, within_s: float) -> None:
        until = time.monotonic() + within_s
        while not reached():
            assert time.monotonic() < until, f"no {what} within {within_s} s: {self.calls} calls, {self.open} open"
            await asyncio.sleep(0.002)

    async def __aenter__(self) -> ScriptedUpstream:
        loop = asyncio.get_running_loop()
        context = self._context() if self.tls else None
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", 0, ssl=context, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for peer in tuple(self._peers):
            peer.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 2)
        self._stack.close()

    def stop_listening(self) -> None:
        """New connections are refused from now on; those that stand, stay."""
        assert self._server is not None
        self._server.close()

    def drop_connections(self) -> None:
        """Reset every connection that stands."""
        for peer in tuple(self._peers):
            peer.reset()

    async def answer_to(self, request: Request) -> Answer:
        script = self.script
        if isinstance(script, Answer | bytes):
            chosen: Any = script
        elif callable(script):
            chosen = script(request)
            if isinstance(chosen, Awaitable):
                chosen = await chosen
        else:
            chosen = script[min(request.number, len(script) - 1)]
        return Answer((chosen,)) if isinstance(chosen, bytes) else chosen

    def _context(self) -> ssl.SSLContext:
        until = datetime.now(UTC) - timedelta(days=1) if self._expired else None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(*self._names, not_after=until).configure_cert(made)
        made.set_alpn_protocols(["http/1.1"])
        return made


class _Peer(asyncio.Protocol):
    """One connection's server side."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._received = bytearray()
        self._news = asyncio.Event()
        self._ours = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._connection = Connection(time.monotonic())
        self._upstream.connections.append(self._connection)
        self._upstream._peers.add(self)
        self._task = asyncio.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._connection.received += len(data)
        self._received += data
        self._news.set()

    def eof_received(self) -> None:
        self._left(reset=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(reset=isinstance(exc, ConnectionResetError | BrokenPipeError))
        self._connection.ended_s = time.monotonic()
        self._upstream._peers.discard(self)
        self._task.cancel()

    def _left(self, reset: bool) -> None:
        if not self._ours and self._connection.left_s is None:
            self._connection.left_s = time.monotonic()
            self._connection.was_reset = reset

    def stop(self) -> None:
        self._ours = True
        self._task.cancel()
        self._transport.abort()

    def reset(self) -> None:
        self._ours = True
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def _serve(self) -> None:
        for step in self._upstream.at_connect:
            await self._do(step)
        while not self._transport.is_closing():
            request = await self._request()
            self._upstream.requests.append(request)
            self._connection.requests.append(request)
            if not self._upstream.at_head:
                request.body = await self._body(request)
            answer = await self._upstream.answer_to(request)
            if answer.bill is not None and answer.bill_first:
                self._upstream.bills.append(answer.bill)
            for step in answer.steps:
                await self._do(step)
            if answer.bill is not None and not answer.bill_first:
                self._upstream.bills.append(answer.bill)
            request.answered_s = time.monotonic()
            if self._upstream.at_head:
                request.body = await self._body(request)

    async def _do(self, step: Step) -> None:
        if isinstance(step, bytes):
            self._transport.write(step)
            self._connection.sent += len(step)
            while self._transport.get_write_buffer_size():
                await asyncio.sleep(0.001)
        elif isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Drip):
            for at in range(0, len(step.data), step.size):
                await self._do(step.data[at : at + step.size])
                await asyncio.sleep(step.every_s)
        elif isinstance(step, Never):
            await asyncio.Event().wait()
        elif isinstance(step, StopReading):
            self._transport.pause_reading()
        elif isinstance(step, Reset):
            self.reset()
        elif isinstance(step, Close | Cut):
            self._ours = True
            if isinstance(step, Close):
                self._transport.close()
            else:
                self._transport.abort()

    async def _request(self) -> Request:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._more()
        raw = bytes(self._received[: end + 4])
        del self._received[: end + 4]
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ", 2)
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Request(self._upstream.calls, method, target, headers, raw, time.monotonic(), self._connection)

    async def _body(self, request: Request) -> bytes:
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            body = b""
            while size := int((await self._line()).split(b";")[0], 16):
                body += (await self._exactly(size + 2))[:-2]
            await self._line()
            return body
        return await self._exactly(int(request.header("content-length") or 0))

    async def _line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            await self._more()
        return (await self._exactly(end + 2))[:-2]

    async def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            await self._more()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()

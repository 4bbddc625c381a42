"""One call without sockets: thread CPU from the request's head to its settled row, and of each event of a stream.

    python -m benchmarks call

The whole app stands, with journal, database, metrics and limits as they are by default; only the client's connection
and the upstream's are memory. Printed is the least of many batches: a neighbour's work only ever adds. To compare two
trees in one run, let PYTHONPATH name the `src` of each by turns.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from benchmarks._bench_upstream import EVENT, HEAD, LAST, WHOLE, framed
from doorward.app import App
from doorward.core.secret import Secret
from doorward.edge.keysmith import Keysmith, Wish
from doorward.edge.protocol import protocol_class
from doorward.edge.protocol_head import Limits
from doorward.edge.server import GC_THRESHOLDS
from doorward.providers.provider import Provider
from doorward.settings import Settings
from doorward.store.routes import RouteRule, Routes
from doorward.upstream.connection import Connection
from doorward.upstream.port import Origin

BATCHES = int(os.environ.get("BENCH_BATCHES", "40"))
CALLS, STREAMS, EVENTS, IN_FLIGHT = 200, 8, 100, 16


class Wire:
    """A transport in memory: what is written goes to `heard`, at the loop's next turn where the peer would be another process."""

    def __init__(self, heard: Callable[[bytes], object], client: bool) -> None:
        self._heard = heard
        self._extra = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)} if client else {}

    def write(self, data: bytes) -> None:
        self._heard(data)

    def writelines(self, parts: Any) -> None:
        self._heard(b"".join(parts))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...

    def is_closing(self) -> bool:
        return False


class Upstream:
    """Answers every request: one event of a stream at each turn of the loop, for each of its connections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    def asked(self, data: bytes) -> None:
        if b'"stream":true' in data:
            self._loop.call_soon(self._connection.data_received, HEAD)
            self._loop.call_soon(self._event, EVENTS)
        else:
            self._loop.call_soon(self._connection.data_received, WHOLE)

    def _event(self, left: int) -> None:
        if left:
            self._connection.data_received(framed(EVENT))
            self._loop.call_soon(self._event, left - 1)
        else:
            self._connection.data_received(framed(LAST) + b"0\r\n\r\n")


class Dialer:
    """Stands in for `upstream.dial`: connections whose other end is `Upstream`. The sockets are only looked at."""

    def __init__(self) -> None:
        self._far: list[socket.socket] = []

    async def dial(self, origin: Origin, within_s: float, make: Callable[[socket.socket], Connection]) -> Connection:
        near, far = socket.socketpair()
        self._far.append(far)
        near.setblocking(False)
        connection = make(near)
        connection.connection_made(Wire(Upstream(connection).asked, client=False))  # type: ignore[arg-type]  # as much of a transport as it uses
        return connection


class Client:
    """One connection that asks again as soon as it was answered."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._left = 0
        self._request, self._end = b"", b""
        protocol.connection_made(Wire(self._told, client=True))

    def ask(self, request: bytes, end: bytes, times: int) -> asyncio.Future[None]:
        self._request, self._end, self._left = request, end, times
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._protocol.data_received(request)
        return self._done

    def _told(self, data: bytes) -> None:
        if not data.endswith(self._end):
            return
        self._left -= 1
        if self._left:
            self._loop.call_soon(self._protocol.data_received, self._request)
        else:
            self._done.set_result(None)


def request(key: str, model: str, stream: bool) -> bytes:
    says = b',"stream":true' if stream else b""
    body = b'{"model":"%s","messages":[{"role":"user","content":"Hello there, how are you?"}]%s}' % (model.encode(), says)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x:1\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def least_us(clients: list[Client], asked: bytes, end: bytes, calls: int) -> float:
    """Microseconds of this thread's CPU a call."""
    found = []
    for _ in range(BATCHES):
        began = time.thread_time()
        await asyncio.gather(*(client.ask(asked, end, calls // len(clients)) for client in clients))
        found.append((time.thread_time() - began) / calls * 1e6)
        await asyncio.sleep(0.01)
    return min(found[1:])


async def measure(folder: Path) -> dict[str, float]:
    app = App(Settings(data_dir=folder, log_level="warning", allow_private_upstreams=True, openai_api_key=None))
    await app.start()
    app.ground.transport._dialer = Dialer()  # type: ignore[assignment]
    try:
        await app.ground.providers.add(
            Provider("bench", "bench", "http://127.0.0.1:9", supported_models=("m*",), allow_private=True)
        )
        await app.ground.custodian.take_in("bench", "a", Secret("sk-bench-0123456789abcdef0123"))
        await Routes(app.ground.store).set(RouteRule("m2", ("m3",)))
        await app.ground.catalogue.refresh()
        _, key = await Keysmith(app.ground.store, app.ground.client_keys).make(Wish("bench"), ("call",))
        config = uvicorn.Config(app.asgi, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False)
        config.load()
        make, state = protocol_class(Limits()), ServerState()
        state.default_headers = [(b"date", b"Fri, 20 Nov 2026 20:00:00 GMT")]
        clients = [Client(make(config, state, {}, asyncio.get_running_loop())) for _ in range(IN_FLIGHT)]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        said = key.reveal().decode()
        found = {}
        for name, model in (("", "m1"), (", with a fallback", "m2")):
            found["a whole answer" + name] = await least_us(clients, request(said, model, False), b"}", CALLS)
            streams = await least_us(clients[:STREAMS], request(said, model, True), b"0\r\n\r\n", STREAMS)
            found["a stream of 101 events" + name] = streams
        return found
    finally:
        await app.stop()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for what, us in uvloop.run(measure(Path(name))).items():
            print(f"{what + ':':42}{us:8.1f} µs of CPU")


if __name__ == "__main__":
    main()

"""CPU a request of our upstream client, next to aiohttp's where that is installed: ratios of one run.

    python benchmarks/transport.py [--requests 20000] [--in-flight 64] [--rounds 5]

The upstream is a process of its own that answers 600 bytes without looking; only the client's CPU counts.
Streams: 50 events an answer, each a chunk, sent as fast as it goes. Rounds take turns, so that a noisy
moment hits both. Numbers last seen: docs/decisions/002-upstream-client.md.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from doorward.core.exchange import MemoryBody
from doorward.upstream.port import Origin, Outgoing
from doorward.upstream.transport import HttpTransport

EVENTS = 50
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: r\r\ncontent-length: 600\r\n\r\n" + b"x" * 600
_EVENT = b"data: " + b"y" * 150 + b"\n\n"
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + (b"%x\r\n%s\r\n" % (len(_EVENT), _EVENT)) * EVENTS
    + b"0\r\n\r\n"
)
REQUEST = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "' + b"z" * 500 + b'"}]}'
FIELDS = {"authorization": "Bearer sk-bench", "content-type": "application/json", "accept": "*/*", "x-request-id": "r1"}

Run = Callable[[bytes, int, int], Awaitable[float]]
"""(target, requests, in flight) -> CPU seconds."""


class _Upstream(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(STREAM if data.startswith(b"POST /stream") else WHOLE)  # type: ignore[attr-defined]


def serve(port: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def measured(one: Callable[[], Awaitable[None]], requests: int, in_flight: int) -> float:
    async def worker(share: int) -> None:
        for _ in range(share):
            await one()

    await asyncio.gather(*(worker(2) for _ in range(in_flight)))  # connect first
    started = time.process_time()
    await asyncio.gather(*(worker(requests // in_flight) for _ in range(in_flight)))
    return time.process_time() - started


def ours(port: int) -> Run:
    async def run(target: bytes, requests: int, in_flight: int) -> float:
        transport = HttpTransport()
        origin = Origin("http", "127.0.0.1", port, allow_private=True)
        fields = [(name.encode(), value.encode()) for name, value in FIELDS.items()]
        body = MemoryBody(REQUEST)

        async def one() -> None:
            incoming = await transport.open(Outgoing(origin, "POST", target, fields, body))
            while await incoming.read(60):
                pass

        spent = await measured(one, requests, in_flight)
        await transport.close()
        return spent

    return run


def theirs(port: int) -> Run | None:
    try:
        import aiohttp
    except ImportError:
        return None

    async def run(target: bytes, requests: int, in_flight: int) -> float:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            url = f"http://127.0.0.1:{port}{target.decode()}"

            async def one() -> None:
                async with session.post(url, data=REQUEST, headers=FIELDS) as answer:
                    async for _ in answer.content.iter_any():
                        pass

            return await measured(one, requests, in_flight)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    process.start()
    port = here.recv()
    clients = {"ours": ours(port), "aiohttp": theirs(port)}
    try:
        for target, requests in ((b"/whole", options.requests), (b"/stream", options.requests // 10)):
            seen: dict[str, list[float]] = {name: [] for name, run in clients.items() if run is not None}
            for _ in range(options.rounds):
                for name in seen:
                    run = clients[name]
                    assert run is not None
                    seen[name].append(uvloop.run(run(target, requests, options.in_flight)) / requests * 1e6)
            for name, figures in seen.items():
                print(f"{target.decode():8} {name:8} {statistics.median(figures):7.1f} µs CPU a request (least {min(figures):.1f})")
            if len(seen) > 1:
                ratio = statistics.median(seen["aiohttp"]) / statistics.median(seen["ours"])
                print(f"{target.decode():8} aiohttp / ours = {ratio:.1f}")
            else:
                print(f"{target.decode():8} aiohttp is not installed: no ratio")
    finally:
        process.terminate()


if __name__ == "__main__":
    main()

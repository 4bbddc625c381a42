"""SIGTERM under load with open streams, and rolling restarts of two processes behind a balancer.

Rule: closed to new connections, open for what was sent. No request is lost; streams finish within `DOORWARD_DRAIN_S`, or
are told with an error event; every call has its row. `/readyz` says 503 first to whoever still asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.answers import Answer, Sleep, chat_answer, chat_stream
from tests.chaos.books import assert_sound, complete
from tests.chaos.line import one_call
from tests.chaos.load import Load
from tests.chaos.said import Said
from tests.counts import count
from tests.money.gateways import Gateway, furnish, gateways
from tests.scripted import Request, ScriptedUpstream

LANES = count("callers at SIGTERM", small=16, full=64)
STREAMS = count("open streams at SIGTERM", small=20, full=500)
ROUNDS = count("rolling restarts of both processes", small=1, full=10)


def script(request: Request) -> Answer:
    """Streams take as many tenths of a second as the call asks for tokens."""
    asked = request.json
    if asked.get("stream"):
        return chat_stream([f"w{n} " for n in range(int(asked["max_tokens"]))], input_tokens=10, pause_s=0.1)
    return chat_answer("Hello", input_tokens=10, output_tokens=3).after(Sleep(0.02 * (request.number % 5)))


@pytest.mark.timeout(0)
async def test_sigterm_loses_no_request_and_tells_every_stream(tmp_path: Path) -> None:
    """Calls that were sent: open. Streams over the drain's end: an error event, no `[DONE]`. Rows: all, before the end."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(script) as up:
        key = await furnish(url, up.base_url)
        gateway = Gateway(data_dir, {"DOORWARD_DRAIN_S": "4"})
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(gateways(gateway))
            # half end within the drain, half would go on for half a minute
            streams = [
                asyncio.create_task(one_call(gateway.url, key, f"stream-{n:03d}", streamed=True, max_tokens=25 if n % 2 else 300))
                for n in range(STREAMS)
            ]
            await up.wait_for_calls(STREAMS, within_s=60)
            async with Load(gateway.url, key, "term", lanes=LANES, pause_s=0.05, light=True) as load:
                await up.wait_for_calls(STREAMS + 2 * LANES, within_s=60)
                before, began_s = len(load.said), time.monotonic()
                await asyncio.sleep(1)
                a_second = (len(load.said) - before) / (time.monotonic() - began_s)
                child = gateway.child
                assert child is not None
                stopped_s = time.monotonic()
                child.send_signal(signal.SIGTERM)
                code = await asyncio.wait_for(child.wait(), 40)
            told: list[Said] = await asyncio.gather(*streams)
        took_s = await complete(url, up, within_s=0.5)
        assert_sound(data_dir / "doorward.db")
    ends = Counter((said.code, int(said.id[-3:]) % 2 == 1) for said in told)
    ended = dict(Counter(said.code for said in told))
    early = sum(said.code == "overloaded" and said.ended_s < stopped_s for said in load.said)
    print(f"SIGTERM at {a_second:.0f} calls/s: {dict(load.codes)}; streams {ended}; booked {took_s:.2f} s after the end")
    print(f"turned away by admission: {early} before SIGTERM, {load.codes['overloaded'] - early} after it")
    assert code == 0
    assert load.lost == []
    # `overloaded` is admission's: a whole answer, with nothing done. What was let in is answered, and a drain turns nobody away.
    assert set(load.codes) <= {"ok", "refused", "overloaded"}
    assert {end for end, _ in ends} <= {"ok", "told"}, Counter((said.code, said.why) for said in told).most_common(9)
    assert ends["told", False] == sum(n % 2 == 0 for n in range(STREAMS)), "a long stream was not told"


class Balancer:
    """Hands each connection to the next process that accepts it, as layer-4 balancers do."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        for _ in range(len(self.ports)):
            self._turn += 1
            try:
                there, back = await asyncio.open_connection("127.0.0.1", self.ports[self._turn % len(self.ports)])
            except ConnectionError:
                continue
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
            return
        writer.transport.abort()

    @staticmethod
    async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


def port_of(gateway: Gateway) -> int:
    return int(gateway.url.rsplit(":", 1)[1])


@pytest.mark.timeout(0)
async def test_a_rolling_restart_loses_nothing(tmp_path: Path) -> None:
    """Two processes on one database, restarted one after the other under load: every call is answered, none twice."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    url = f"sqlite:///{data_dir}/doorward.db"
    async with ScriptedUpstream(script) as up, Balancer() as balancer:
        key = await furnish(url, up.base_url)
        pair = [Gateway(data_dir, {"DOORWARD_DRAIN_S": "15"}) for _ in range(2)]
        async with gateways(*pair):
            balancer.ports = [port_of(gateway) for gateway in pair]
            async with Load(balancer.url, key, "roll", lanes=8, streamed=0.3, pause_s=0.01) as load:
                await up.wait_for_calls(20, within_s=30)
                for _ in range(ROUNDS):
                    for number, gateway in enumerate(pair):
                        await gateway.stop()
                        await gateway.start()
                        balancer.ports[number] = port_of(gateway)
                        await asyncio.sleep(0.3)
        await complete(url, up, within_s=1)
        assert_sound(data_dir / "doorward.db")
        asked = Counter(request.header("x-request-id") for request in up.requests)
    print(f"{ROUNDS} rolling restarts: {dict(load.codes)}, slowest {load.slowest_s:.2f} s")
    assert load.lost == []
    assert set(load.codes) == {"ok"}
    assert max(asked.values()) == 1, "a call was sent upstream twice"

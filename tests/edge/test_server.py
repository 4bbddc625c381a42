"""Listening and stopping: what is refused at the start, and that a stop loses no call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from tests.edge.raw_door import Door, answers, door, echo, on_uvloop

from doorward.edge.server import IDLE_GRACE_S, CannotListen, PortInUse, Unusable, listener, serve

GET = b"GET / HTTP/1.1\r\nHost: door\r\n\r\n"


@on_uvloop
async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse) as refused:
            await serve(echo, port=port)
        assert (refused.value.host, refused.value.port) == ("127.0.0.1", port)
        assert str(port) in refused.value.message


@on_uvloop
async def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1"):
        await serve(echo, host="192.0.2.1", port=0)


def test_what_is_accepted_waits_for_no_acknowledgement() -> None:
    """On whichever loop: a stream's second piece would stand still for 40 ms."""
    with listener("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_uvloop
async def test_half_a_certificate_or_a_bad_one_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "cert.pem"
    bad.write_text("no certificate")
    with pytest.raises(Unusable, match="both"):
        await serve(echo, port=0, tls_cert=bad)
    with pytest.raises(Unusable, match="cannot be used"):
        await serve(echo, port=0, tls_cert=bad, tls_key=tmp_path / "missing.pem")


@on_uvloop
async def test_a_stop_lets_open_calls_finish_and_closes_idle_ones() -> None:
    go_on = asyncio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await echo(scope, receive, send)

    async with door(call, drain_s=10) as opened:
        idle_reader, idle_writer = await opened.connect()
        idle_writer.write(GET)
        assert b"200 OK" in await idle_reader.read(65536)
        reader, writer = await opened.connect()
        writer.write(GET.replace(b"/ ", b"/slow "))
        await asyncio.sleep(0.1)
        opened.stop.set()
        await asyncio.sleep(0.3)
        # A request that was already on its way on an idle connection is still answered, and told to close.
        idle_writer.write(GET)
        (answer,) = answers(await asyncio.wait_for(idle_reader.read(), 5))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        with pytest.raises(OSError):
            await opened.connect()
        go_on.set()
        (answer,) = answers(await asyncio.wait_for(reader.read(), 5))
        assert answer.status == 200
        await asyncio.wait_for(opened.serving, 5)


@on_uvloop
async def test_a_request_that_came_while_the_process_stood_still_is_answered() -> None:
    """A machine that gives no core for a second makes an idle connection look idle: its request lies in the kernel."""
    loop = asyncio.get_running_loop()
    async with door(echo, drain_s=10) as opened:
        with socket.create_connection(("127.0.0.1", opened.port)) as idle:
            idle.sendall(GET)
            assert b"200 OK" in await loop.run_in_executor(None, idle.recv, 65536)
            opened.stop.set()
            await asyncio.sleep(0.2)

            def stand_still() -> None:
                loop.remove_reader(near)
                idle.sendall(GET)
                time.sleep(IDLE_GRACE_S + 0.2)

            # Among what the loop has been told of, so that the request is not: its timers run before it looks again.
            near, far = socket.socketpair()
            with near, far:
                loop.add_reader(near, stand_still)
                far.send(b"!")
                await asyncio.sleep(0.1)
            (answer,) = answers(await loop.run_in_executor(None, idle.recv, 65536))
        assert (answer.status, answer.headers["connection"]) == (200, "close")


@on_uvloop
async def test_a_connection_made_in_the_last_moment_is_served() -> None:
    """Whoever the kernel let in was told that somebody listens."""
    loop = asyncio.get_running_loop()

    def call_in() -> None:
        made.connect(("127.0.0.1", port))
        made.sendall(GET)

    with socket.socket() as made:
        async with door(echo, drain_s=10, on_stop=call_in) as opened:
            port = opened.port
            opened.stop.set()
            await asyncio.wait_for(opened.serving, 5)
            (answer,) = answers(await loop.run_in_executor(None, made.recv, 65536))
            assert (answer.status, answer.headers["connection"]) == (200, "close")


@on_uvloop
async def test_a_request_sent_right_after_a_stream_is_answered_while_stopping() -> None:
    """Its head had promised to keep the connection before the stop came: the client cannot know better."""
    go_on = asyncio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/stream":
            await echo(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async with door(call, drain_s=10) as opened:
        reader, writer = await opened.connect()
        writer.write(GET.replace(b"/ ", b"/stream "))
        await asyncio.wait_for(reader.readuntil(b"one"), 5)
        opened.stop.set()
        await asyncio.sleep(1.3)  # past the grace of idle connections
        go_on.set()
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        writer.write(GET)
        (answer,) = answers(await asyncio.wait_for(reader.read(), 5))
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def told_at_the_end(opened: Door, within_s: float) -> bytes:
    """Stop beside a call with no head yet, which gets its 503, and an open stream -> what came of that after its first event."""
    waiting, waiting_writer = await opened.connect()
    waiting_writer.write(GET)
    streaming, streaming_writer = await opened.connect()
    streaming_writer.write(GET.replace(b"/ ", b"/stream "))
    await streaming.readuntil(b"data: 1\n\n")
    opened.stop.set()
    (answer,) = answers(await asyncio.wait_for(waiting.read(), within_s))
    assert (answer.status, answer.error["code"]) == (503, "unavailable")
    return await asyncio.wait_for(streaming.read(), within_s)


@on_uvloop
async def test_after_the_drain_calls_and_streams_are_told() -> None:
    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.sleep(60)

    async with door(call, drain_s=0.3) as opened:
        rest = await told_at_the_end(opened, 5)
        assert b'data: {"error":' in rest
        assert b"[DONE]" not in rest
        assert rest.count(b"data: ") == 1, "one error event is all that comes"
        await asyncio.wait_for(opened.serving, 5)


@on_uvloop
async def test_clients_are_told_before_their_calls_are_settled() -> None:
    """With hundreds of open streams settling takes longer than any grace; nobody is cut off for it."""
    told = asyncio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        try:
            await asyncio.sleep(60)
        finally:
            await told.wait()
            await send({"type": "http.response.body", "body": b"data: 2\n\n", "more_body": True})

    async with door(call, drain_s=0.3) as opened:
        rest = await told_at_the_end(opened, 3)
        assert (rest.count(b"data: "), rest.count(b'data: {"error":')) == (1, 1)
        told.set()
        await asyncio.wait_for(opened.serving, 3)


@on_uvloop
async def test_the_beginning_of_the_drain_is_told_before_its_end() -> None:
    """`/readyz` says 503 from then on, and pages that watch live are let go."""
    draining, go_on = asyncio.Event(), asyncio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await echo(scope, receive, send)

    async with door(call, drain_s=10, on_stop=draining.set) as opened:
        reader, writer = await opened.connect()
        writer.write(GET)
        await asyncio.sleep(0.1)
        opened.stop.set()
        await asyncio.wait_for(draining.wait(), 3)
        go_on.set()
        (answer,) = answers(await asyncio.wait_for(reader.read(), 5))
        assert answer.status == 200


@on_uvloop
async def test_a_client_that_reads_nothing_does_not_hold_up_the_stop() -> None:
    async def flood(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"a" * 65536, "more_body": True})
            await asyncio.sleep(0)

    async with door(flood, drain_s=0.2) as opened:
        connection = socket.create_connection(("127.0.0.1", opened.port))
        connection.sendall(GET)
        await asyncio.sleep(0.3)
        opened.stop.set()
        await asyncio.wait_for(opened.serving, 8)
        connection.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1_000_000):
                pass  # what the kernel still held; then the end, because the connection was dropped
        connection.close()


SERVER = """
    import asyncio, sys
    from doorward.edge.server import run, serve
    sys.path.insert(0, ".")
    from tests.edge.raw_door import echo

    async def app(scope, receive, send):
        await asyncio.sleep(0.2)
        await echo(scope, receive, send)

    run(serve(app, port=0, lifespan="off", drain_s=5, on_ready=lambda host, port: print(port, flush=True)))
    print("clean", flush=True)
"""


async def test_sigterm_under_load_loses_nothing() -> None:
    """Clients that keep their connections: every request sent is answered; then new ones are refused."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""}
    )
    assert process.stdout is not None
    port = int(await asyncio.to_thread(process.stdout.readline))
    answered = 0

    async def client() -> None:
        nonlocal answered
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            closing = False
            while not closing:
                writer.write(GET)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                await reader.readuntil(b"}")
                answered += 1
                closing = b"connection: close" in head.lower()
            writer.close()

    clients = [asyncio.create_task(client()) for _ in range(20)]
    await asyncio.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), 15)
    assert answered >= 40
    assert await asyncio.to_thread(process.wait, 15) == 0
    assert process.stdout.read() == "clean\n"
    process.stdout.close()

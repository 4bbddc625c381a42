"""Slow heads, slow bodies, slow readers, clients that leave. Bounds are generous: the machine is shared."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.edge.raw_door import answers, door, echo, on_uvloop

from doorward.edge.server import Limits

HEAD = b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 10\r\n\r\n"
QUICK = Limits(head_timeout_s=0.3, body_stall_s=0.3, slow_reader_s=0.4, keep_alive_s=0.6, linger_s=0.1)


@pytest.mark.parametrize(
    "start",
    [b"G", b"GET /v1/models HTTP/1.1\r\n", b"GET /v1/models HTTP/1.1\r\nHost: door\r\nX-One: ", HEAD + b"0123456789" + b"GET /v1"],
    ids=["one byte", "first line", "in a value", "second head"],
)
@on_uvloop
async def test_a_head_that_does_not_end_is_told_so(start: bytes) -> None:
    async with door(echo, QUICK) as opened:
        began = time.monotonic()
        *before, last = answers(await opened.ask(start))
        assert 0.25 < time.monotonic() - began < 5
        assert (last.status, last.error["code"]) == (408, "request_timeout")
        assert [answer.status for answer in before] == ([200] if start.startswith(b"POST") else [])


@on_uvloop
async def test_a_head_by_drips_is_bounded_as_a_whole() -> None:
    async with door(echo, QUICK) as opened:
        reader, writer = await opened.connect()

        async def drip() -> None:
            writer.write(b"GET /v1/models HTTP/1.1\r\n")
            while not writer.is_closing():
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(8):
            (answer,) = answers(await reader.read(65536))
        assert answer.status == 408
        dripping.cancel()
        writer.transport.abort()


@on_uvloop
async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    """An answer to nothing could be taken for the answer to the next request."""
    async with door(echo, QUICK) as opened:
        assert await opened.ask(b"") == b""


@on_uvloop
async def test_an_idle_connection_stays_as_long_as_keep_alive_says() -> None:
    async with door(echo, QUICK) as opened:
        reader, writer = await opened.connect()
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: door\r\n\r\n")
            assert b"200" in await reader.read(65536)
            await asyncio.sleep(0.35)  # over the head limit, under keep-alive
        began = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - began < 5
        writer.close()


@pytest.mark.parametrize(
    "start", [HEAD + b"01234", HEAD.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n"]
)
@on_uvloop
async def test_a_body_that_stalls_is_told_so(start: bytes) -> None:
    async with door(echo, QUICK) as opened:
        (answer,) = answers(await opened.ask(start))
        assert (answer.status, answer.error["code"]) == (408, "request_timeout")
        assert opened.scopes[0]["doorward.gone"].happened


@on_uvloop
async def test_a_slow_body_that_moves_is_taken() -> None:
    async with door(echo, QUICK) as opened:
        reader, writer = await opened.connect()
        writer.write(HEAD)
        for byte in b"0123456789":
            await asyncio.sleep(0.1)  # a second in all, three times the limit for a pause
            writer.write(bytes([byte]))
        assert b'"size": 10' in await reader.read(65536)
        writer.close()


@on_uvloop
async def test_an_app_that_does_not_read_is_not_the_clients_stall() -> None:
    async def later(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.8)
        await echo(scope, receive, send)

    async with door(later, QUICK) as opened:
        size = 300_000
        data = b"POST / HTTP/1.1\r\nHost: door\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
        (answer,) = answers(await opened.ask(data))
        assert answer.body == b'{"size": 300000, "path": "/"}'


@on_uvloop
async def test_a_client_that_reads_nothing_is_dropped() -> None:
    ended = asyncio.Event()

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["doorward.gone"].then(ended.set)
        while not ended.is_set():
            await send({"type": "http.response.body", "body": b"a" * 65536, "more_body": True})
            await asyncio.sleep(0)

    async with door(flood, QUICK) as opened:
        with socket.create_connection(("127.0.0.1", opened.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: door\r\n\r\n")
            began = time.monotonic()
            await asyncio.wait_for(ended.wait(), 5)
            assert time.monotonic() - began > 0.3


@on_uvloop
async def test_a_slow_client_that_reads_is_served_whole() -> None:
    size = 3_000_000

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
        await send({"type": "http.response.body", "body": b"a" * size})

    async with door(large, QUICK, drain_s=5) as opened:
        reader, writer = await opened.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n")
        got = 0
        while chunk := await reader.read(262_144):
            got += len(chunk)
            await asyncio.sleep(0.1)
        assert got > size
        writer.close()


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("when", ["waiting", "streaming", "queued"])
@on_uvloop
async def test_calls_are_told_at_once_when_their_client_goes(how: str, when: str) -> None:
    told: list[float] = []
    started = asyncio.Event()

    async def call(scope: Any, receive: Any, send: Any) -> None:
        scope["doorward.gone"].then(lambda: told.append(time.monotonic()))
        started.set()
        if when == "streaming":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async with door(call) as opened:
        connection = socket.create_connection(("127.0.0.1", opened.port))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: door\r\n\r\n" * (2 if when == "queued" else 1))
        await started.wait()
        await asyncio.sleep(0.1)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left = time.monotonic()
        if how == "half":
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.close()
        while not told and time.monotonic() - left < 5:
            await asyncio.sleep(0.005)
        assert told, "nobody was told"
        assert told[0] - left < 0.25
        connection.close()


@on_uvloop
async def test_an_answered_call_is_not_told_that_its_client_went() -> None:
    async with door(echo) as opened:
        await opened.ask(b"GET / HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(0.05)
        assert not opened.scopes[0]["doorward.gone"].happened


@on_uvloop
async def test_tls_serves_and_times_the_same(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with door(echo, QUICK, tls_cert=cert, tls_key=key) as opened:
        for sent, status in (
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nX : y\r\n", 400),
            (b"GET", 408),
        ):
            reader, writer = await asyncio.open_connection("localhost", opened.port, ssl=trust)
            writer.write(sent)
            (answer,) = answers(await asyncio.wait_for(reader.read(65536), 5))
            assert answer.status == status
            writer.transport.abort()
        assert opened.scopes[0]["scheme"] == "https"

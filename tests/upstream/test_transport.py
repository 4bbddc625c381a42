"""What goes out and what comes back when all goes well: framing, reuse, order, limits in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest
from tests.answers import Close, Never, Sleep, chunk, head, json_answer, verbatim
from tests.scripted import ScriptedUpstream
from tests.upstream.conftest import Client, MakeClient, read_all, settles

from doorward.core.errors import BadRequest
from doorward.core.exchange import header
from doorward.upstream.port import Lost, Origin, Outgoing, Silent, Stage, Unreachable
from doorward.upstream.response import PAUSE_BYTES


async def test_head_is_ours_where_it_must_be(client: Client) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        given = [
            (b"authorization", b"Bearer k"),
            (b"host", b"evil"),
            (b"Content-Length", b"7"),
            (b"connection", b"x-a"),
            (b"x-a", b"1"),
        ]
        await client.call(up, b"12345", target=b"/v1/x?a=b%20c", headers=given)
        await client.call(up, b"", method="GET", headers=[(b"accept-encoding", b"gzip")])
        await client.call(up, b"", method="POST")
    first, second, third = up.requests
    assert first.raw_head.startswith(b"POST /v1/x?a=b%20c HTTP/1.1\r\n")
    names = [name.lower() for name, _ in first.headers]
    assert sorted(names) == ["accept-encoding", "authorization", "content-length", "host", "x-a"]
    assert (first.header("host"), first.header("content-length")) == (f"127.0.0.1:{up.port}", "5")
    assert (first.header("accept-encoding"), second.header("accept-encoding")) == ("identity", "gzip")
    assert (second.header("content-length"), third.header("content-length")) == (None, "0")
    assert first.body == b"12345"


@pytest.mark.parametrize(
    "bad",
    [
        {"headers": [(b"x", b"a\r\nx-evil: 1")]},
        {"headers": [(b"x", b"a\n")]},
        {"headers": [(b"x", b"a\r\n")]},
        {"headers": [(b"x", b"a\rb")]},
        {"headers": [(b"x", b"a\0b")]},
        {"headers": [(b"x y", b"a")]},
        {"headers": [(b"x:", b"a")]},
        {"headers": [(b"x\r\ny", b"a")]},
        {"headers": [(b"", b"a")]},
        {"target": b"/a b"},
        {"target": b"/a\r\nx: y"},
        {"target": b"http://other/"},
        {"target": b""},
        {"method": "GET /"},
        {"method": "G\r\n"},
        {"method": ""},
    ],
)
async def test_injection_is_refused_before_connecting(client: Client, bad: dict[str, object]) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        for _ in range(2):  # a name that was seen before is looked at again
            with pytest.raises(BadRequest):
                await client.call(up, **bad)
        assert up.connections == []


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (verbatim(head(200, {"content-length": "5"}), b"he", Sleep(0.01), b"llo"), b"hello"),
        (verbatim(head(200, {"transfer-encoding": "chunked"}), chunk(b"hello"), chunk(b" you"), chunk(b"")), b"hello you"),
        (verbatim(head(200, {"transfer-encoding": "chunked"}), b"5;ext=1\r\nhello\r\n0\r\ntrailer: x\r\n\r\n"), b"hello"),
        (verbatim(head(200, {}), b"hello", Close()), b"hello"),
        (verbatim(head(200, {"content-length": "0"})), b""),
        (verbatim(head(204, {})), b""),
        (verbatim(head(304, {"content-length": "99"})), b""),
        (verbatim(head(100, {}), head(103, {"link": "x"}), head(200, {"content-length": "2"}), b"ok"), b"ok"),
        (verbatim(b"HTTP/1.0 200 OK\r\n\r\nold", Close()), b"old"),
        (verbatim(b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok"), b"ok"),
    ],
)
async def test_every_framing(client: Client, answer: object, body: bytes) -> None:
    async with ScriptedUpstream(answer) as up:
        for _ in range(2):
            _, received = await client.call(up)
            assert received == body


async def test_interim_headers_are_not_the_answers(client: Client) -> None:
    async with ScriptedUpstream(verbatim(head(103, {"link": "x"}), head(200, {"X-Empty": "", "Content-Length": "0"}))) as up:
        incoming = await client.open(up)
        assert incoming.headers == [(b"x-empty", b""), (b"content-length", b"0")]


async def test_head_has_no_body_and_keeps_the_connection(client: Client) -> None:
    async with ScriptedUpstream(verbatim(head(200, {"content-length": "1000"}))) as up:
        for _ in range(3):
            incoming = await client.open(up, b"", method="HEAD")
            assert (incoming.status, header(incoming.headers, b"content-length")) == (200, b"1000")
            assert await incoming.read(1) == b""
        assert len(up.connections) == 1


async def test_redirects_are_handed_back(client: Client) -> None:
    async with ScriptedUpstream(json_answer({}, 302, {"location": "http://127.0.0.1:1/"})) as up:
        status, _ = await client.call(up, headers=[(b"authorization", b"Bearer k")])
        assert (status, up.calls) == (302, 1)


async def test_proxies_of_the_environment_are_ignored(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with ScriptedUpstream(json_answer({})) as up:
        assert (await client.call(up))[0] == 200


@pytest.mark.parametrize("tls", [False, True])
async def test_connections_are_reused_last_in_first_out(make_client: MakeClient, tls: bool) -> None:
    async with ScriptedUpstream(json_answer({}).after(Sleep(0.05)), tls=tls) as up:
        client = make_client(extra_ca=up.ca_file if tls else None)
        await asyncio.gather(*(client.call(up) for _ in range(3)))
        for _ in range(4):
            await client.call(up)
        assert len(up.connections) == 3
        assert sorted(len(connection.requests) for connection in up.connections) == [1, 1, 5]


@pytest.mark.parametrize("answer", [json_answer({}, close=True), verbatim(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}")])
async def test_connections_that_end_are_not_reused(client: Client, answer: object) -> None:
    async with ScriptedUpstream(answer) as up:
        for _ in range(2):
            await client.call(up)
        assert len(up.connections) == 2
        await up.wait_for_open(0)
        assert client.transport.open_connections == 0


async def test_bytes_after_the_answer_drop_the_connection(client: Client) -> None:
    stray = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    later = verbatim(json_answer({"n": 1}).wire, Sleep(0.03), stray)
    for answer in (verbatim(json_answer({"n": 1}).wire + stray), verbatim(json_answer({"n": 1}).wire + b"junk"), later):
        async with ScriptedUpstream([answer, json_answer({"n": 2})]) as up:
            assert (await client.call(up))[1] == b'{"n": 1}'
            await asyncio.sleep(0.06)
            assert (await client.call(up))[1] == b'{"n": 2}'
            assert len(up.connections) == 2


async def test_idle_connections_expire(make_client: MakeClient) -> None:
    client = make_client(idle_s=0.1)
    async with ScriptedUpstream(json_answer({}).after(Sleep(0.02))) as up:
        await asyncio.gather(client.call(up), client.call(up))
        assert client.transport.resting_connections == 2
        await up.wait_for_leavers(2)
        assert client.transport.open_connections == 0


@pytest.mark.parametrize("cap", [1, 3])
async def test_cap_per_origin_is_kept_and_served_in_order(make_client: MakeClient, cap: int) -> None:
    client = make_client(per_origin=cap)
    async with ScriptedUpstream(json_answer({}).after(Sleep(0.02))) as up:
        tasks = []
        for number in range(9):
            tasks.append(asyncio.create_task(client.call(up, target=b"/%d" % number)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        served = [int(request.target[1:]) // cap for request in up.requests]  # those of one round may swap places
        assert served == sorted(served)
        assert len(up.connections) == cap


async def test_waiting_for_a_place_ends_with_the_connect_limit(make_client: MakeClient) -> None:
    client = make_client(per_origin=1)
    async with ScriptedUpstream([verbatim(Never()), json_answer({})]) as up:
        busy = asyncio.create_task(client.call(up))
        await up.wait_for_calls(1)
        with pytest.raises(Unreachable, match="busy"):
            await client.call(up, connect_s=0.05)
        waiting = asyncio.create_task(client.call(up))
        await asyncio.sleep(0.01)
        busy.cancel()
        assert (await waiting)[0] == 200


async def test_a_failed_connect_hands_its_place_on(make_client: MakeClient) -> None:
    client = make_client(per_origin=1)
    async with ScriptedUpstream(json_answer({})) as up:
        up.stop_listening()
        results = await asyncio.gather(*(client.call(up) for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [Unreachable] * 5
        assert client.transport.open_connections == 0


async def test_slow_reader_pauses_the_upstream(client: Client) -> None:
    size = 24 * 1024 * 1024
    async with ScriptedUpstream(verbatim(head(200, {"content-length": str(size)}), *[b"x" * 2**20] * 24)) as up:
        incoming = await client.open(up)
        await asyncio.sleep(0.3)
        assert up.connections[0].sent < size
        assert sum(map(len, incoming._pieces)) < PAUSE_BYTES + 2**20  # type: ignore[attr-defined]
        assert len(await read_all(incoming)) == size
        assert client.transport.resting_connections == 1


async def test_events_are_handed_over_as_they_arrive(client: Client) -> None:
    loop = asyncio.get_running_loop()
    steps = [step for number in range(5) for step in (chunk(b"data: %d\n\n" % number), Sleep(0.1))]
    async with ScriptedUpstream(verbatim(head(200, {"transfer-encoding": "chunked"}), *steps, chunk(b""))) as up:
        incoming = await client.open(up)
        times = []
        while piece := await incoming.read(5):
            times.append((piece, loop.time()))
    assert [piece for piece, _ in times] == [b"data: %d\n\n" % number for number in range(5)]
    assert all(later - earlier > 0.05 for (_, earlier), (_, later) in zip(times, times[1:], strict=False))


async def test_head_limits(client: Client) -> None:
    many = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"content-length: 0\r\n\r\n"
    long = b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000
    ever = [step for _ in range(100) for step in (head(103, {"a": "b" * 1000}),)]
    trailers = [head(200, {"transfer-encoding": "chunked"}), b"0\r\n", b"a: " + b"b" * 70_000]
    for steps in ([many], [long], [b"HTTP/1.1 200 " + b"O" * 70_000], ever, trailers):
        async with ScriptedUpstream(verbatim(*steps, Never())) as up:
            with pytest.raises(Lost):
                await client.call(up)
            await up.wait_for_open(0)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nxx",
        b"HTTP/2 200 OK\r\n\r\n",
    ],
)
async def test_malformed_heads_are_lost(client: Client, raw: bytes) -> None:
    async with ScriptedUpstream(verbatim(raw, Never())) as up:
        with pytest.raises(Lost) as caught:
            await client.call(up)
        assert caught.value.stage is Stage.SENT
        await up.wait_for_open(0)


async def test_malformed_chunks_are_lost_after_what_was_good(client: Client) -> None:
    async with ScriptedUpstream(
        verbatim(head(200, {"transfer-encoding": "chunked"}), chunk(b"good"), Sleep(0.02), b"zz\r\n")
    ) as up:
        incoming = await client.open(up)
        assert await incoming.read(1) == b"good"
        with pytest.raises(Lost) as caught:
            await incoming.read(1)
        assert caught.value.stage is Stage.BODY


async def test_close_before_the_end_drops_and_wakes_the_reader(client: Client) -> None:
    async with ScriptedUpstream(verbatim(head(200, {"content-length": "9"}), b"abc", Never())) as up:
        incoming = await client.open(up)
        reading = asyncio.create_task(read_all(incoming))
        await asyncio.sleep(0.02)
        incoming.close()
        incoming.close()
        with pytest.raises(Lost):
            await reading
        await up.wait_for_leavers(1, within_s=1)
        assert client.transport.open_connections == 0


async def test_close_after_the_end_keeps_the_connection(client: Client) -> None:
    async with ScriptedUpstream(json_answer({"a": "b" * 5000})) as up:
        for _ in range(3):
            incoming = await client.open(up)
            await asyncio.sleep(0.02)
            incoming.close()
        assert len(up.connections) == 1


async def test_a_closed_transport_opens_nothing(client: Client) -> None:
    async with ScriptedUpstream([json_answer({}), json_answer({}).after(Sleep(0.05))]) as up:
        await client.call(up)
        busy = asyncio.create_task(client.call(up))
        await up.wait_for_calls(2)
        await client.transport.close()
        assert (await busy)[0] == 200
        with pytest.raises(Unreachable):
            await client.call(up)
        with pytest.raises(Unreachable):
            await client.transport.open(Outgoing(Origin("http", "127.0.0.2", 1, True), "GET", b"/", []))
        await up.wait_for_open(0)


async def test_silent_reads_may_go_on(client: Client) -> None:
    async with ScriptedUpstream(verbatim(head(200, {"content-length": "2"}), Sleep(0.2), b"ok")) as up:
        incoming = await client.open(up)
        with pytest.raises(Silent) as caught:
            await incoming.read(0.05)
        assert caught.value.stage is Stage.HEAD
        assert await incoming.read(5) == b"ok"
        assert await incoming.read(5) == b""
        assert await settles(lambda: client.transport.resting_connections == 1)


async def test_stale_connections_are_no_attempt(client: Client) -> None:
    """The peer closes while the connection rests."""
    async with ScriptedUpstream([json_answer({}).then(Sleep(0.02), Close()), json_answer({"n": 2})]) as up:
        await client.call(up)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(up.wait_for_open(0), 2)
        assert (await client.call(up))[1] == b'{"n": 2}'
        assert up.calls == 2


async def test_stale_connections_are_seen_before_the_event_loop_hears(client: Client) -> None:
    """The close reaches the kernel while our loop is busy: writing first would make it an ambiguous loss."""
    listener = socket.create_server(("127.0.0.1", 0))
    hang_up = threading.Event()
    served = []

    def serve() -> None:
        for number in range(2):
            peer, _ = listener.accept()
            served.append(peer.recv(65536))
            peer.sendall(json_answer({"n": number}).wire)
            hang_up.wait(5)
            peer.close()

    listener.settimeout(5)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    origin = Origin("http", "127.0.0.1", listener.getsockname()[1], allow_private=True)
    first = await client.transport.open(Outgoing(origin, "GET", b"/", []))
    assert await read_all(first) == b'{"n": 0}'
    hang_up.set()
    time.sleep(0.1)
    second = await client.transport.open(Outgoing(origin, "GET", b"/", []))
    assert await read_all(second) == b'{"n": 1}'
    assert len(served) == 2
    thread.join()
    listener.close()


async def test_other_schemes_are_refused(client: Client) -> None:
    with pytest.raises(Unreachable, match="scheme"):
        await client.transport.open(Outgoing(Origin("ftp", "127.0.0.1", 1, True), "GET", b"/", []))

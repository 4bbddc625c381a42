"""What an upstream, or the network before it, may do to us: each ends in the right error, at the right stage, with nothing held."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.answers import Answer, Close, Cut, Drip, Never, Reset, Sleep, Step, StopReading, chunk, head, json_answer, verbatim
from tests.counts import count
from tests.scripted import ScriptedUpstream
from tests.upstream.conftest import Client, MakeClient, settles

from doorward.core.exchange import MemoryBody
from doorward.upstream.port import Lost, Origin, Outgoing, Silent, Stage, TransportError, Unreachable

JSON = json_answer({"id": "x", "choices": [{"text": "hello"}]})
STREAM = verbatim(
    head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}),
    chunk(b'data: {"a": 1}\n\n'),
    chunk(b"data: [DONE]\n\n"),
    chunk(b""),
)


@dataclass
class Spooled:
    """A body on disk, as the edge makes one for large requests."""

    size: int
    pieces: list[bytes]
    pause_s: float = 0.0
    data: bytes | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await asyncio.sleep(self.pause_s)
            yield piece


def _stage(answer: Answer, at: int) -> Stage:
    """How far a client can know it got after `at` bytes of the answer."""
    body_at = answer.wire.index(b"\r\n\r\n") + 4
    if at < body_at:
        return Stage.SENT
    if b"chunked" in answer.wire[:body_at]:
        body_at = answer.wire.index(b"\r\n", body_at) + 2
    return Stage.BODY if at > body_at else Stage.HEAD


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("end", [Reset(), Close(), Cut()], ids=["reset", "close", "cut"])
@pytest.mark.parametrize("answer", [JSON, STREAM], ids=["json", "stream"])
async def test_the_end_at_every_byte(make_client: MakeClient, answer: Answer, end: Step, tls: bool) -> None:
    stride = count("tls offsets: one in", small=11, full=1) if tls else 1
    offsets = range(0, len(answer.wire), stride)
    async with ScriptedUpstream([answer.cut(at, end) for at in offsets] + [answer], tls=tls) as up:
        client = make_client(extra_ca=up.ca_file if tls else None)
        for at in offsets:
            with pytest.raises(Lost) as caught:
                await client.call(up)
            known = _stage(answer, at)
            assert caught.value.stage <= known
            if end == Close():
                assert caught.value.stage == known, at
        assert (await client.call(up))[0] == 200
        assert up.calls == len(offsets) + 1
        assert await settles(lambda: client.transport.open_connections == 1)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_body_that_ends_with_the_connection(make_client: MakeClient, tls: bool) -> None:
    """Its clean end is its end; over TLS a missing close_notify is a cut, for anybody on the way could have made it."""
    answers = [verbatim(head(200, {}), b"hello", Sleep(0.02), end) for end in (Close(), Cut(), Reset())]
    async with ScriptedUpstream(answers, tls=tls) as up:
        client = make_client(extra_ca=up.ca_file if tls else None)
        assert (await client.call(up))[1] == b"hello"
        if tls:
            with pytest.raises(Lost):
                await client.call(up)
        else:
            assert (await client.call(up))[1] == b"hello"
        with pytest.raises(Lost):
            await client.call(up)


async def test_never_answers_then_silent_at_sent(client: Client) -> None:
    async with ScriptedUpstream(verbatim(Never())) as up:
        with pytest.raises(Silent) as caught:
            await client.call(up, head_s=0.1)
        assert caught.value.stage is Stage.SENT
        await up.wait_for_leavers(1, within_s=1)
        assert client.transport.open_connections == 0


async def test_a_dripping_head_does_not_move_the_limit(client: Client) -> None:
    async with ScriptedUpstream(verbatim(Drip(JSON.wire, every_s=0.02))) as up:
        started = asyncio.get_running_loop().time()
        with pytest.raises(Silent):
            await client.call(up, head_s=0.2)
        assert asyncio.get_running_loop().time() - started < 2


async def test_idle_limit_counts_from_the_last_body_byte(client: Client) -> None:
    steps = (head(200, {"content-length": "9"}), Drip(b"abcd", every_s=0.05), Never())
    async with ScriptedUpstream(verbatim(*steps)) as up:
        incoming = await client.open(up)
        for byte in b"abcd":
            assert await incoming.read(0.5) == bytes([byte])
        with pytest.raises(Silent) as caught:
            await incoming.read(0.1)
        assert caught.value.stage is Stage.BODY
        incoming.close()
        await up.wait_for_leavers(1, within_s=1)


async def test_other_streams_are_unharmed_by_a_half_open_one(client: Client) -> None:
    def script(request: object) -> Answer:
        return verbatim(Never()) if request.target == "/dead" else STREAM  # type: ignore[attr-defined]

    async with ScriptedUpstream(script) as up:
        dead = asyncio.create_task(client.call(up, target=b"/dead", head_s=0.3))
        for _ in range(10):
            assert (await client.call(up))[0] == 200
        with pytest.raises(Silent):
            await dead


async def test_nothing_listens(client: Client) -> None:
    with pytest.raises(Unreachable) as caught:
        await client.transport.open(Outgoing(Origin("http", "127.0.0.1", 1, True), "GET", b"/", []))
    assert caught.value.stage is Stage.CONNECTING


async def test_names_that_do_not_exist(client: Client) -> None:
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid: name not found"):
        await client.transport.open(Outgoing(Origin("https", "no-such-host.invalid", 443), "GET", b"/", []))


async def test_connect_limit_covers_the_handshake(client: Client) -> None:
    async with ScriptedUpstream(b"", at_connect=[Never()]) as up:  # speaks no TLS, says nothing
        origin = Origin("https", "127.0.0.1", up.port, True)
        with pytest.raises(Unreachable, match="within"):
            await client.transport.open(Outgoing(origin, "GET", b"/", [], connect_s=0.1))
        await up.wait_for_leavers(1, within_s=1)
        assert client.transport.open_connections == 0


@pytest.mark.parametrize(
    ("server", "trusted", "says"),
    [
        ({"expired": True}, True, "expired"),
        ({"names": ["elsewhere.example"]}, True, "IP address mismatch"),
        ({}, False, "certificate"),
    ],
)
async def test_certificates_are_verified_and_the_key_is_never_sent(
    make_client: MakeClient, server: dict[str, object], trusted: bool, says: str
) -> None:
    async with ScriptedUpstream(json_answer({}), tls=True, **server) as up:  # type: ignore[arg-type]
        client = make_client(extra_ca=up.ca_file if trusted else None)
        with pytest.raises(Unreachable, match=says):
            await client.call(up, headers=[(b"authorization", b"Bearer secret")])
        assert up.calls == 0
        assert client.transport.open_connections == 0


async def test_sni_and_agreed_protocol(make_client: MakeClient) -> None:
    async with ScriptedUpstream(json_answer({}), tls=True) as up:
        client = make_client(extra_ca=up.ca_file)
        incoming = await client.transport.open(Outgoing(Origin("https", "localhost", up.port, True), "GET", b"/", []))
        assert (incoming.status, up.requests[0].header("host")) == (200, f"localhost:{up.port}")


@pytest.mark.parametrize("step", [Reset(), Close()])
async def test_cut_handshakes(client: Client, step: Step) -> None:
    async with ScriptedUpstream(b"", at_connect=[step]) as up:
        with pytest.raises(Unreachable):
            await client.transport.open(Outgoing(Origin("https", "127.0.0.1", up.port, True), "GET", b"/", []))
        assert client.transport.open_connections == 0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_spooled_bodies_go_out_whole(make_client: MakeClient, tls: bool) -> None:
    pieces = [os.urandom(300_000) for _ in range(12)]
    async with ScriptedUpstream(json_answer({}), tls=tls) as up:
        client = make_client(extra_ca=up.ca_file if tls else None)
        for _ in range(2):
            await client.call(up, Spooled(3_600_000, pieces))
        assert all(request.body == b"".join(pieces) for request in up.requests)
        await client.call(up, MemoryBody(pieces[0] * 3))
        assert up.requests[2].body == pieces[0] * 3
        assert len(up.connections) == 1


@pytest.mark.parametrize(
    "body", [MemoryBody(b"x" * 20_000_000), Spooled(20_000_000, [b"x" * 100_000] * 200)], ids=["memory", "spooled"]
)
async def test_a_full_upstream_ends_the_write_limit(client: Client, body: object) -> None:
    async with ScriptedUpstream(verbatim(Never()), at_connect=[StopReading()]) as up:
        with pytest.raises(Silent) as caught:
            await client.call(up, body, write_s=0.2)
        assert caught.value.stage is Stage.SENT
        assert client.transport.open_connections == 0


async def test_a_slow_body_is_no_silence_while_it_moves(client: Client) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        await client.call(up, Spooled(10, [b"x"] * 10, pause_s=0.05), write_s=0.3)
        assert up.requests[0].body == b"x" * 10


@pytest.mark.parametrize("size", [9, 11])
async def test_a_body_of_another_length_is_never_sent_as_whole(client: Client, size: int) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        with pytest.raises(Lost, match="as long as"):
            await client.call(up, Spooled(size, [b"x"] * 10))
        assert client.transport.open_connections == 0


async def test_early_answers_are_delivered(client: Client) -> None:
    """A 413 comes while we still write; it is told, and that connection is of no more use."""
    body = Spooled(40_000_000, [b"x" * 100_000] * 400)
    early = json_answer({"error": {"code": "too_large"}}, 413).then(StopReading(), Never())
    async with ScriptedUpstream(early, at_head=True) as up:
        for sent in (body, MemoryBody(b"x" * 30_000_000)):
            status, received = await client.call(up, sent)
            assert (status, b"too_large" in received) == (413, True)
            assert client.transport.open_connections == 0


async def test_cancelling_drops_the_connection_at_once(client: Client) -> None:
    loop = asyncio.get_running_loop()
    for answer in (verbatim(Never()), verbatim(head(200, {"content-length": "5"}), b"ab", Never())):
        async with ScriptedUpstream(answer) as up:
            task = asyncio.create_task(client.call(up))
            await up.wait_for_calls(1)
            await asyncio.sleep(0.02)
            started = loop.time()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await up.wait_for_leavers(1, within_s=1)
            assert loop.time() - started < 1
            assert client.transport.open_connections == 0


async def test_cancelling_while_a_body_goes_out_stops_it(client: Client) -> None:
    async with ScriptedUpstream(verbatim(Never())) as up:
        task = asyncio.create_task(client.call(up, Spooled(100, [b"x"] * 100, pause_s=0.02)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await up.wait_for_leavers(1, within_s=1)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_cancellation_storm(make_client: MakeClient, tls: bool) -> None:
    """At random awaits: no slot is held afterwards, and no reply ever goes to the wrong owner."""
    total = count("cancellations", small=500, full=100_000) // (5 if tls else 1)
    rng = random.Random(7)
    wrong: list[tuple[str, bytes]] = []

    def script(request: object) -> Answer:
        name = request.target  # type: ignore[attr-defined]
        kind = hash(name) % 4
        whole = json_answer({"for": name})
        if kind == 0:
            return whole
        if kind == 1:
            return whole.after(Sleep(0.003))
        if kind == 2:
            return whole.stall(len(whole.wire) - 4, 0.004)
        return verbatim(head(200, {"transfer-encoding": "chunked"}), chunk(b'{"for": "'), chunk(f'{name}"}}'.encode()), chunk(b""))

    async with ScriptedUpstream(script, tls=tls) as up:
        client = make_client(per_origin=10, extra_ca=up.ca_file if tls else None)

        async def one(number: int) -> None:
            name = f"/{number}"
            task = asyncio.create_task(client.call(up, target=name.encode()))
            for _ in range(rng.randrange(12)):
                await asyncio.sleep(0)
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() * 0.01)
            if rng.random() < 0.8:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                _, body = await task
                if body != f'{{"for": "{name}"}}'.encode():
                    wrong.append((name, body))

        for start in range(0, total, 40):
            await asyncio.gather(*(one(number) for number in range(start, min(start + 40, total))))
        assert wrong == []
        assert await settles(lambda: client.transport.open_connections == client.transport.resting_connections)
        # every place can be used again
        answers = await asyncio.gather(*(client.call(up, target=b"/%d" % number) for number in range(20)))
        assert [body for _, body in answers] == [b'{"for": "/%d"}' % number for number in range(20)]
        assert client.transport.open_connections <= 10


async def test_errors_name_the_host_and_never_a_header(client: Client) -> None:
    seen: list[TransportError] = []
    for answer in (verbatim(Reset()), verbatim(b"junk\r\n\r\n"), verbatim(Close())):
        async with ScriptedUpstream(answer) as up:
            with pytest.raises(TransportError) as caught:
                await client.call(up, b"body-text", headers=[(b"authorization", b"Bearer sk-secret")])
            seen.append(caught.value)
    for error in seen:
        assert "127.0.0.1" in str(error)
        assert "sk-secret" not in repr(error)
        assert "body-text" not in repr(error)

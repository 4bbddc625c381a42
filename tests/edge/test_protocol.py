"""Whatever bytes arrive: an answer in OpenAI's shape with a request id, none of the bytes echoed, and the next client served."""

from __future__ import annotations

import asyncio
import random
import re

import pytest
from tests.counts import count
from tests.edge.raw_door import answers, door, echo, on_uvloop

from doorward.edge.protocol_ids import fit_request_id, new_request_id
from doorward.edge.server import Limits

MARK = b"hunter2hunter2"
"""Stands in what is sent; must never stand in what comes back."""

OK = b"GET /v1/models HTTP/1.1\r\nHost: door\r\n"

MALFORMED: dict[str, bytes] = {
    "not http": b"hunter2hunter2\r\n\r\n",
    "tls hello": bytes.fromhex("16030100f8010000f40303") + b"\x00" * 64,
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 hunter2hunter2\r\n",
    "json": b'{"model":"hunter2hunter2"}\r\n\r\n',
    "nul": b"\x00\x00\x00\x00\r\n\r\n",
    "method unknown": b"HUNT /v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "method lower": b"get /v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "method missing": b" /v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "method connect": b"CONNECT hunter2hunter2:443 HTTP/1.1\r\nHost: door\r\n\r\n",
    "version 0.9": b"GET /v1/models\r\n\r\n",
    "version 2.0": b"GET /v1/models HTTP/2.0\r\nHost: door\r\n\r\n",
    "version 1.2": b"GET /v1/models HTTP/1.2\r\nHost: door\r\n\r\n",
    "version odd": b"GET /v1/models HTTQ/1.1\r\nHost: door\r\n\r\n",
    "version twice": b"GET /v1/models HTTP/1.1 HTTP/1.1\r\nHost: door\r\n\r\n",
    "target absolute": b"GET http://hunter2hunter2/v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "target authority": b"GET hunter2hunter2:80 HTTP/1.1\r\nHost: door\r\n\r\n",
    "target star": b"OPTIONS * HTTP/1.1\r\nHost: door\r\n\r\n",
    "target two slashes": b"GET //hunter2hunter2/v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "target fragment": b"GET /v1/models#hunter2hunter2 HTTP/1.1\r\nHost: door\r\n\r\n",
    "target relative": b"GET v1/models HTTP/1.1\r\nHost: door\r\n\r\n",
    "target empty": b"GET  HTTP/1.1\r\nHost: door\r\n\r\n",
    "target nul": b"GET /v1/\x00models HTTP/1.1\r\nHost: door\r\n\r\n",
    "target del": b"GET /v1/\x7fmodels HTTP/1.1\r\nHost: door\r\n\r\n",
    "target tab": b"GET /v1/\tmodels HTTP/1.1\r\nHost: door\r\n\r\n",
    "target 8-bit": b"GET /v1/m\xffdels HTTP/1.1\r\nHost: door\r\n\r\n",
    "target utf-8": "GET /v1/möd HTTP/1.1\r\nHost: door\r\n\r\n".encode(),
    "target lone cr": b"GET /v1/\rmodels HTTP/1.1\r\nHost: door\r\n\r\n",
    "host missing": b"GET /v1/models HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "host empty": b"GET /v1/models HTTP/1.1\r\nHost:\r\n\r\n",
    "host twice": OK + b"Host: hunter2hunter2\r\n\r\n",
    "host twice same": OK + b"Host: door\r\n\r\n",
    "host slash": b"GET /v1/models HTTP/1.1\r\nHost: door/hunter2hunter2\r\n\r\n",
    "host question": b"GET /v1/models HTTP/1.1\r\nHost: door?hunter2hunter2\r\n\r\n",
    "host fragment": b"GET /v1/models HTTP/1.1\r\nHost: door#hunter2hunter2\r\n\r\n",
    "host userinfo": b"GET /v1/models HTTP/1.1\r\nHost: hunter2hunter2@door\r\n\r\n",
    "host space": b"GET /v1/models HTTP/1.1\r\nHost: do or\r\n\r\n",
    "host list": b"GET /v1/models HTTP/1.1\r\nHost: door, hunter2hunter2\r\n\r\n",
    "host port": b"GET /v1/models HTTP/1.1\r\nHost: door:http\r\n\r\n",
    "host 8-bit": b"GET /v1/models HTTP/1.1\r\nHost: d\xf6r\r\n\r\n",
    "te and cl": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "cl and te": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl twice": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "cl twice same": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "cl list": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 5, 5\r\n\r\nhello",
    "cl negative": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: -5\r\n\r\nhello",
    "cl plus": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: +5\r\n\r\nhello",
    "cl hex": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 0x5\r\n\r\nhello",
    "cl huge": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 99999999999999999999999\r\n\r\nhello",
    "cl empty": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length:\r\n\r\nhello",
    "cl words": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: five\r\n\r\nhello",
    "cl inner space": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nContent-Length: 1 5\r\n\r\nhello",
    "te gzip": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "te gzip chunked": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "te chunked gzip": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "te twice": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te tab": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "te 1.0": b"POST /v1/x HTTP/1.0\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size words": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\nhunter2hunter2\r\n",
    "chunk size negative": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "chunk size huge": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk size 0x": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "chunk too long": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "chunk bare lf": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    "obs-fold": OK + b"X-One: a\r\n hunter2hunter2\r\n\r\n",
    "obs-fold tab": OK + b"X-One: a\r\n\thunter2hunter2\r\n\r\n",
    "fold first": b"GET /v1/models HTTP/1.1\r\n Host: door\r\n\r\n",
    "name space": OK + b"X One: a\r\n\r\n",
    "name space before colon": OK + b"X-One : a\r\n\r\n",
    "name empty": OK + b": hunter2hunter2\r\n\r\n",
    "name nul": OK + b"X-\x00One: a\r\n\r\n",
    "name 8-bit": OK + b"X-\xe9: a\r\n\r\n",
    "name brackets": OK + b"X[1]: a\r\n\r\n",
    "name alone": OK + b"hunter2hunter2\r\n\r\n",
    "value nul": OK + b"X-One: hunter2\x00hunter2\r\n\r\n",
    "value lone cr": OK + b"X-One: a\rInjected: b\r\n\r\n",
    "value del": OK + b"X-One: a\x7fb\r\n\r\n",
    "value control": OK + b"X-One: a\x08b\r\n\r\n",
    "bare lf": b"GET /v1/models HTTP/1.1\nHost: door\n\n",
    "bare lf in head": OK + b"X-One: a\nX-Two: b\r\n\r\n",
    "head end lf": OK + b"\n",
    "many fields": OK + b"".join(b"X-%d: a\r\n" % number for number in range(120)) + b"\r\n",
    "large value": OK + b"X-One: " + b"a" * 70_000 + b"\r\n\r\n",
    "large name": OK + b"a" * 70_000 + b": b\r\n\r\n",
    "large target": b"GET /v1/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: door\r\n\r\n",
    "large method": b"G" * 70_000 + b" / HTTP/1.1\r\nHost: door\r\n\r\n",
    "large together": OK + b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1000) for number in range(80)) + b"\r\n",
    "large trailer": b"POST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    + b"a" * 140_000
    + b"\r\n\r\n",
    "websocket": OK + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
}

STATUS = {"many fields": 431, "method connect": 405} | {
    name: 431 for name in MALFORMED if name.startswith("large") and name != "large method"
}


def test_the_corpus_is_large_enough() -> None:
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize("name", MALFORMED)
@on_uvloop
async def test_malformed_heads_are_answered_in_shape(name: str) -> None:
    async with door(echo) as plain:
        data = await plain.ask(MALFORMED[name])
        (answer,) = answers(data)
        assert answer.status == STATUS.get(name, 400), answer
        assert answer.error["type"] == "invalid_request_error"
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-should-retry"] == "false"
        assert MARK not in data
        assert not [scope for scope in plain.scopes if scope["method"] == "GET"], "the app saw a malformed head"


@on_uvloop
async def test_a_refusal_keeps_the_clients_request_id() -> None:
    async with door(echo) as plain:
        (answer,) = answers(await plain.ask(OK + b"X-Request-Id: my-id-12345\r\nAccept: */*\r\nX-One : a\r\n\r\n"))
        assert answer.headers["x-request-id"] == "my-id-12345"
        (answer,) = answers(await plain.ask(OK + b"X-Request-Id: <script>hunter2</script>\r\nAccept: */*\r\nX-One : a\r\n\r\n"))
        assert re.fullmatch("req_[0-9a-z]{26}", answer.headers["x-request-id"])


@on_uvloop
async def test_a_good_request_passes_with_id_and_gone() -> None:
    async with door(echo) as plain:
        data = await plain.ask(
            b"POST /v1/a%20b?q=1 HTTP/1.1\r\nHost: door:80\r\nConnection: close\r\nContent-Length: 5\r\n"
            b"X-Request-Id: abcdefgh\r\n\r\nhello"
        )
        (answer,) = answers(data)
        assert (answer.status, answer.headers["x-request-id"]) == (200, "abcdefgh")
        (scope,) = plain.scopes
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/v1/a b", b"/v1/a%20b", b"q=1")
        assert not scope["doorward.gone"].happened
        assert "date" in answer.headers
        assert "server" not in answer.headers


@on_uvloop
async def test_h2c_is_not_taken_up_and_its_body_still_read() -> None:
    async with door(echo) as plain:
        """Java's own client asks for h2c on every first request, with a body."""
        data = await plain.ask(
            b"POST /v1/x HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings, close\r\nContent-Length: 5\r\nHost: door\r\n"
            b"HTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n\r\nhello"
        )
        (answer,) = answers(data)
        assert (answer.status, answer.body) == (200, b'{"size": 5, "path": "/v1/x"}')


@on_uvloop
async def test_trailers_never_become_headers() -> None:
    async with door(echo) as plain:
        await plain.ask(
            b"POST /v1/x HTTP/1.1\r\nHost: door\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nAuthorization: Bearer dw-x\r\n\r\n"
        )
        (scope,) = plain.scopes
        assert b"authorization" not in dict(scope["headers"])


@on_uvloop
async def test_a_broken_second_request_is_refused_after_the_first_answer() -> None:
    async with door(echo) as plain:
        data = await plain.ask(OK + b"\r\n" + OK.replace(b"models", b"files") + b"\r\nbroken : head\r\n\r\n")
        first, second, third = answers(data)
        assert (first.status, second.status, third.status) == (200, 200, 400)
        assert b"models" in first.body
        assert b"files" in second.body
        assert third.error


@on_uvloop
async def test_a_broken_body_ends_its_own_request_only_once() -> None:
    async with door(echo) as plain:
        data = await plain.ask(OK + b"\r\nPOST /v1/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        first, second = answers(data)
        assert (first.status, second.status) == (200, 400)


@on_uvloop
async def test_too_many_requests_ahead_are_refused() -> None:
    async def slow(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(0.2)
        await echo(scope, receive, send)

    async with door(slow, Limits(max_pipelined=3, linger_s=0.2)) as opened:
        data = await opened.ask((OK + b"\r\n") * 10)
        assert [answer.status for answer in answers(data)] == [200, 200, 200, 200, 400]


@on_uvloop
async def test_an_exception_in_the_app_is_an_error_in_shape(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("sk-secret")

    async def silent(scope: object, receive: object, send: object) -> None:
        return

    for app in (broken, silent):
        async with door(app) as opened:
            (answer,) = answers(await opened.ask(OK + b"\r\n"))
            assert answer.status == 500
            assert answer.error["code"] == "internal_error"
            assert b"secret" not in answer.body


def test_request_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_request_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(re.fullmatch("req_[0-9a-hjkmnp-tv-z]{26}", one) for one in ids)
    assert [one[:14] for one in ids] == sorted(one[:14] for one in ids)
    assert fit_request_id(b"short") != "short"
    assert fit_request_id(b"x" * 129) != "x" * 129
    assert fit_request_id(b"ok-id_1.2") == "ok-id_1.2"


def _mutated(chance: random.Random) -> bytes:
    """A head, valid or from the corpus, with some bytes changed, cut, doubled or inserted."""
    data = bytearray(chance.choice([OK + b"\r\n", *MALFORMED.values()])[:2000])
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 20)]
            case 3:
                data[at:at] = chance.choice(
                    [b"\r\n", b"\r", b"\n", b":", b" ", b"\x00", b"Content-Length: 3\r\n", b"\r\n\r\n", b"\xff"]
                )
            case _:
                del data[at:]
    return bytes(data)


@on_uvloop
async def test_any_bytes_get_answers_in_shape_and_harm_nobody() -> None:
    """Fuzzing: mutated heads; every byte that comes back is an answer of the app's or an error in shape (I11)."""
    rounds = count("mutated heads", small=400, full=20_000)
    chance = random.Random(20261120)
    async with door(echo, Limits(head_timeout_s=0.4, body_stall_s=0.4, keep_alive_s=0.2, linger_s=0.05)) as opened:

        async def one(data: bytes) -> None:
            for answer in answers(await opened.ask(data)):
                assert answer.status == 200 or answer.error["type"] == "invalid_request_error", data

        for _ in range(0, rounds, 50):
            await asyncio.gather(*(one(_mutated(chance)) for _ in range(50)))
        (answer,) = answers(await opened.ask(OK + b"Connection: close\r\n\r\n"))
        assert answer.status == 200

"""Latency, speed and faults on real sockets, and what the log says of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AuthenticationError, InternalServerError, RateLimitError
from tests.serving import serving

from doorward.core.errors import BadRequest
from doorward.core.secret import Secret
from doorward.simulator.app import Simulator
from doorward.simulator.faults import Behaviour, parse_fault, parse_header
from doorward.simulator.log import Record, RequestLog

ASK = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "What is a monad?"}]}
BODY = json.dumps(ASK).encode()
STREAM = json.dumps({**ASK, "stream": True}).encode()


def client(url: str, **settings) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", **{"api_key": "x", "max_retries": 0, **settings})


async def post(url: str, body: bytes, simulate: str = "", *more: str):
    """A raw request -> its open connection, so that the tests see what the socket sees."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = ["POST /v1/chat/completions HTTP/1.1", "host: x", f"content-length: {len(body)}", f"x-simulate: {simulate}", *more]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    return reader, writer


async def whole(url: str, body: bytes, simulate: str) -> bytes:
    """Everything until the connection ends. Raises `ConnectionResetError` on a reset."""
    reader, writer = await post(url, body, simulate, "connection: close")
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def simulator():
    return Simulator()


@pytest.fixture
async def url(simulator):
    async with serving(simulator) as base:
        yield base


async def test_a_status_is_told_twice_and_then_all_is_well(url, simulator):
    async with client(url, default_headers={"x-simulate": "fault=status=503*2"}) as openai:
        for _ in range(2):
            with pytest.raises(InternalServerError) as failed:
                await openai.chat.completions.create(**ASK)
            assert failed.value.status_code == 503
        assert (await openai.chat.completions.create(**ASK)).choices
    assert [record.status for record in simulator.log.records] == [503, 503, 200]
    assert [record.tokens_in > 0 for record in simulator.log.records] == [False, False, True]


async def test_retry_after_and_a_code_come_with_the_429(url):
    async with client(url, default_headers={"x-simulate": "fault=retry_after=2, fault=code=insufficient_quota"}) as openai:
        with pytest.raises(RateLimitError) as refused:
            await openai.chat.completions.create(**ASK)
    assert refused.value.response.headers["retry-after"] == "2"
    assert refused.value.code == "insufficient_quota"


async def test_a_reset_is_a_reset_and_is_billed_its_input(url, simulator):
    for body in (BODY, STREAM):
        with pytest.raises(ConnectionResetError):
            await whole(url, body, "fault=reset")
    assert all(record.tokens_in > 0 and record.tokens_out == 0 and not record.finished for record in simulator.log.records)
    assert simulator.log.aborted == 0  # nobody left: it was the simulator that hung up


async def test_a_cut_stream_ends_without_its_end_after_so_many_tokens(url, simulator):
    text = (await whole(url, STREAM, "fault=cut=40, tokens=60")).decode()
    assert "[DONE]" not in text
    assert 'finish_reason":"' not in text
    assert not text.endswith("0\r\n\r\n")  # the chunked body itself is unfinished
    await until(lambda: simulator.log.records)
    assert 40 <= simulator.log.records[0].tokens_out <= 44
    async with client(url, default_headers={"x-simulate": "fault=cut=40, tokens=60"}) as openai:
        with pytest.raises(APIConnectionError):
            [event async for event in await openai.chat.completions.create(**ASK, stream=True)]


async def test_a_cut_answer_is_shorter_than_its_length(url):
    async with client(url, default_headers={"x-simulate": "fault=cut=1"}) as openai:
        with pytest.raises(APIConnectionError):
            await openai.chat.completions.create(**ASK)


async def test_a_stall_says_nothing_more_but_stays_connected(url, simulator):
    reader, writer = await post(url, STREAM, "fault=stall=3, tokens=20")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readuntil(b"[DONE]"), 0.3)
    assert simulator.open_calls == 1
    writer.close()
    await until(lambda: simulator.open_calls == 0)
    assert simulator.log.records[0].aborted_at >= 0.2


async def test_malformed_breaks_one_event_and_no_done_leaves_out_the_end(url):
    text = (await whole(url, STREAM, "fault=malformed")).decode()
    events = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    broken = [event for event in events if not _is_json(event)]
    assert len(broken) == 1
    assert "[DONE]" in text
    undone = (await whole(url, STREAM, "fault=no_done")).decode()
    assert '"finish_reason":"stop"' in undone
    assert "[DONE]" not in undone
    assert not _is_json((await whole(url, BODY, "fault=malformed")).decode().split("\r\n\r\n")[1])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def test_the_head_comes_at_once_and_the_first_event_later(url):
    started = time.monotonic()
    reader, writer = await post(url, STREAM, "fault=slow_first=0.4")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    head_s = time.monotonic() - started
    await asyncio.wait_for(reader.readuntil(b"data: "), 5)
    assert head_s < time.monotonic() - started - 0.3
    writer.close()


async def test_latency_and_speed_take_their_time(url):
    started = time.monotonic()
    await whole(url, STREAM, "latency_ms=100, tokens_per_s=100, tokens=20")
    assert 0.28 <= time.monotonic() - started < 3
    started = time.monotonic()
    await whole(url, BODY, "tokens_per_s=100, tokens=20")
    assert 0.18 <= time.monotonic() - started < 3


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_a_client_that_leaves_is_noticed_at_once_and_billed_for_what_was_made(url, simulator, body):
    reader, writer = await post(url, body, "tokens_per_s=50, tokens=200")
    if body is STREAM:
        await asyncio.wait_for(reader.readuntil(b"data: "), 5)
    await asyncio.sleep(0.3)
    left = time.monotonic()
    writer.transport.abort()
    await until(lambda: simulator.log.records)
    noticed_s = time.monotonic() - left
    record = simulator.log.records[0]
    assert noticed_s < 0.25
    assert not record.finished
    assert 0.25 <= record.aborted_at < 2
    assert 0 < record.tokens_out < 100
    assert simulator.log.aborted == 1


async def test_the_log_has_a_line_a_request_and_never_the_key(tmp_path):
    path = tmp_path / "sim.log"
    log = RequestLog(path)
    async with serving(Simulator(log=log, required_key=Secret("sk-right-one"))) as url:
        async with client(url, api_key="sk-wrong-one") as openai:
            with pytest.raises(AuthenticationError) as refused:
                await openai.chat.completions.create(**ASK)
            assert refused.value.code == "invalid_api_key"
        async with client(url, api_key="sk-right-one", default_headers={"x-request-id": "abc"}) as openai:
            await openai.chat.completions.create(**ASK)
            assert (await openai.models.list()).data
    log.close()
    lines = path.read_bytes().splitlines()
    records = [msgspec.json.decode(line, type=Record) for line in lines]
    assert [record.auth_ok for record in records] == [False, True, True]
    assert [record.status for record in records] == [401, 200, 200]
    assert records[1].request_id == "abc"
    assert records[1].model == "sim-gpt-4o-mini"
    assert records[1].tokens_out > 0
    assert b"sk-" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


async def test_embedded_only_its_own_models_exist():
    simulator = Simulator(Behaviour(any_model=False))
    async with serving(simulator) as url, client(url) as openai:
        with pytest.raises(APIStatusError) as refused:
            await openai.chat.completions.create(**{**ASK, "model": "gpt-4o"})
        assert (refused.value.status_code, refused.value.code) == (404, "model_not_found")
        assert all(model.id.startswith("sim-") for model in (await openai.models.list()).data)
        with pytest.raises(APIStatusError):
            await openai.responses.create(model="gpt-4o", input="x")
        assert not simulator.shelf.responses


@pytest.mark.parametrize(
    "spec", ["", "bang", "status=", "status=99", "status=x", "cut=-1", "stall=1.5", "reset*x", "slow_head=x", "a=b"]
)
def test_an_unknown_fault_is_refused_with_a_list_of_what_there_is(spec):
    with pytest.raises(BadRequest, match="retry_after"):
        parse_fault(spec)


@given(st.text(max_size=60))
def test_no_header_breaks_the_reader(text):
    with contextlib.suppress(BadRequest):
        assert isinstance(parse_header(text, Behaviour()), Behaviour)

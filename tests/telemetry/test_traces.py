"""Traces and GenAI metrics reach a collector on a real socket; one that is away harms no call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx2
from tests.answers import chat_answer, error_answer
from tests.house import CANARY, house
from tests.scripted import ScriptedUpstream
from tests.telemetry.collector import attributes, collecting

from doorward.telemetry import trace_context
from doorward.telemetry.exporter import headers_of

ASK = {"model": "scripted/gpt-4o-mini", "messages": [{"role": "user", "content": "a private question"}]}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_a_call_is_one_trace_from_the_client_to_the_upstream(tmp_path: Path) -> None:
    answers = [error_answer(503, "later"), chat_answer("a private answer", input_tokens=10, output_tokens=3)]
    async with (
        collecting() as collector,
        ScriptedUpstream(answers) as up,
        house(tmp_path, otel_endpoint=collector.url, otel_headers="X-Team=doors", log_level="warning") as home,
    ):
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        key = await home.key()
        headers = {"authorization": f"Bearer {key}", "traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "joined-0001"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers) as client:
            assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
        await collector.has_spans(3)
        sent = [request.header("traceparent") for request in up.requests]
    call, first, second = sorted(collector.spans, key=lambda span: (span.kind, span.start_time_unix_nano))
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert call.parent_span_id.hex() == PARENT
    assert first.parent_span_id == second.parent_span_id == call.span_id
    assert sent == [f"00-{TRACE}-{span.span_id.hex()}-01" for span in (first, second)]
    assert call.name == "POST /v1/chat/completions"
    assert second.name == "chat gpt-4o-mini"
    told = attributes(call)
    assert told["doorward.request_id"] == "joined-0001"
    assert told["http.response.status_code"] == 200
    assert told["doorward.cost_nanodollars"] == 10 * 150 + 3 * 600
    assert attributes(first)["error.type"] == "503"
    assert attributes(second)["gen_ai.provider.name"] == "scripted"
    assert attributes(second)["gen_ai.usage.output_tokens"] == 3
    assert call.start_time_unix_nano <= first.start_time_unix_nano <= second.end_time_unix_nano <= call.end_time_unix_nano
    names = {metric.name for metric in collector.metrics}
    assert names == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}, "sent at the latest when the house stops"
    assert collector.headers[0]["x-team"] == "doors"
    for private in (CANARY, key, "private question", "private answer"):
        assert private.encode() not in collector.raw


async def test_a_trace_that_is_not_sampled_is_not_sent(tmp_path: Path) -> None:
    async with (
        collecting() as collector,
        ScriptedUpstream(chat_answer("Hello")) as up,
        house(tmp_path, otel_endpoint=collector.url, log_level="warning") as home,
    ):
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers) as client:
            await client.post("/v1/chat/completions", json=ASK, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            await client.post("/v1/chat/completions", json=ASK, headers={"traceparent": "junk"})
        await collector.has_spans(2)
        sent = [request.header("traceparent") for request in up.requests]
    assert sent[0].startswith(f"00-{TRACE}-")
    assert sent[0].endswith("-00")
    assert TRACE not in {span.trace_id.hex() for span in collector.spans}
    assert len(collector.spans) == 2


async def test_a_collector_that_fails_or_is_away_harms_no_call(tmp_path: Path) -> None:
    for place in ("failing", "away"):
        async with collecting(400) as collector, ScriptedUpstream(chat_answer("Hello")) as up:
            url = collector.url if place == "failing" else "http://127.0.0.1:9"
            async with house(tmp_path / place, otel_endpoint=url, log_level="warning") as home:
                await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
                await home.account("scripted")
                headers = {"authorization": f"Bearer {await home.key()}"}
                async with httpx2.AsyncClient(base_url=home.url, headers=headers) as client:
                    for _ in range(5):
                        assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
                telemetry = home.app.traffic.telemetry
                telemetry.feed.flush()
                if place == "failing":
                    for _ in range(300):
                        if telemetry.dropped >= 5:
                            break
                        await asyncio.sleep(0.02)
                    assert telemetry.dropped == 5
                began = time.monotonic()
            assert time.monotonic() - began < 8, "stopping must not wait for a collector"


async def test_without_an_endpoint_the_clients_trace_passes(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("Hello")) as up, house(tmp_path, log_level="warning") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        headers = {"authorization": f"Bearer {await home.key()}", "traceparent": f"00-{TRACE}-{PARENT}-01"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers) as client:
            await client.post("/v1/chat/completions", json=ASK)
        assert up.requests[0].header("traceparent") == f"00-{TRACE}-{PARENT}-01"


def test_opentelemetry_is_not_imported_without_an_endpoint() -> None:
    # its API comes in with FastAPI; what exports does not
    program = (
        "import sys, doorward.app; print([n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_junk_in_traceparent_begins_a_trace_of_our_own() -> None:
    for junk in (None, b"", b"00-zz", f"00-{'0' * 32}-{PARENT}-01".encode(), f"ff-{TRACE}-{PARENT}-01".encode(), b"\xff" * 60):
        made = trace_context.of("req_00000001", 1.5, junk)
        assert made.parent_id is None
        assert made.sampled
    known = trace_context.of("req_00000001", 1.5, f"00-{TRACE}-{PARENT}-01".encode())
    assert f"{known.trace_id:032x}" == TRACE
    assert trace_context.span_of("r", 1.0, 1) != trace_context.span_of("r", 1.0, 2) != trace_context.span_of("r", 2.0, 2)


def test_headers_for_the_collector() -> None:
    assert headers_of("authorization=Bearer x, X-A = b=c,junk,") == {"authorization": "Bearer x", "x-a": "b=c"}

"""`/metrics`: who may read it, what it says, and that clients cannot make it grow."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from tests.answers import chat_answer, error_answer
from tests.house import CANARY, house
from tests.scripted import ScriptedUpstream
from tests.telemetry.calls import seen

from doorward.telemetry.metrics import MOST_SERIES, Metrics

ASK = {"model": "scripted/gpt-4o-mini", "messages": [{"role": "user", "content": "a private question"}]}


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """By Prometheus' own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_the_numbers_of_calls_without_names_of_people(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("Hello", input_tokens=10, output_tokens=3)) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", "invented-*", prices="openai")
        await home.account("scripted")
        key = await home.key(label="quarterly-secret-label")
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}) as client:
            for _ in range(3):
                assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
            await client.post("/v1/chat/completions", json={**ASK, "model": "scripted/invented-7"})
            await client.post("/v1/chat/completions", json={**ASK, "model": "no-such-model"})
            answer = await client.get("/metrics", headers={"authorization": ""})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        page = answer.text
        found = samples(page)
    at = {("endpoint", "/v1/chat/completions"), ("provider", "scripted")}
    known, other = at | {("model", "gpt-4o-mini")}, at | {("model", "other")}
    assert found["doorward_calls_total", frozenset(known | {("status", "2xx"), ("outcome", "done")})] == 3
    assert found["doorward_calls_total", frozenset(other | {("status", "2xx"), ("outcome", "done")})] == 1
    assert found["doorward_tokens_total", frozenset(known | {("kind", "input")})] == 30
    assert found["doorward_cost_nanodollars_total", frozenset(known | {("source", "upstream")})] == 3 * (10 * 150 + 3 * 600)
    assert found["doorward_unknown_cost_calls_total", frozenset(other)] == 1
    assert found["doorward_call_duration_seconds_count", frozenset(known)] == 3
    assert found["doorward_first_byte_seconds_count", frozenset(known)] == 3
    assert found["doorward_refusals_total", frozenset({("endpoint", "/v1/chat/completions"), ("code", "model_not_found")})] == 1
    for name in ("open_calls", "hold_exceeded_total", "telemetry_dropped_total", "upstream_calls"):
        assert found[f"doorward_{name}", frozenset()] == 0
    assert found["doorward_book_rows_waiting", frozenset()] <= 5
    assert found["doorward_journal_lag_seconds", frozenset()] < 20
    assert found["doorward_breakers", frozenset({("state", "closed")})] >= 1
    for secret in (key, key.split("-")[1], "quarterly-secret-label", CANARY, "private question", "invented-7", "no-such-model"):
        assert secret not in page


async def test_retries_and_errors_are_counted(tmp_path: Path) -> None:
    answers = [error_answer(503, "later"), chat_answer("Hello")]
    async with ScriptedUpstream(answers) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
        await home.account("scripted")
        key = await home.key()
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}) as client:
            assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
            found = samples((await client.get("/metrics")).text)
    assert found["doorward_retries_total", frozenset({("endpoint", "/v1/chat/completions"), ("provider", "scripted")})] == 1


async def test_only_this_machine_may_read_by_default(tmp_path: Path) -> None:
    async with house(tmp_path) as home, httpx2.AsyncClient(base_url=home.url) as client:
        assert (await client.get("/metrics")).status_code == 200
        behind = await client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})
        assert behind.status_code == 403
        assert behind.json()["error"]["code"] == "forbidden"
        assert (await client.post("/metrics")).status_code == 405
        assert (await client.get("/metrics/x")).status_code == 404


async def test_a_token_opens_and_nothing_else_does(tmp_path: Path) -> None:
    async with house(tmp_path, metrics_token="watch-me-closely") as home, httpx2.AsyncClient(base_url=home.url) as client:
        assert (await client.get("/metrics")).status_code == 401
        key = await home.key(scopes=("call", "admin"))
        assert (await client.get("/metrics", headers={"authorization": f"Bearer {key}"})).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": "Bearer watch-me-closely"})).status_code == 200


async def test_a_port_of_its_own_takes_them_off_the_main_one(tmp_path: Path) -> None:
    async with house(tmp_path, metrics_port=0) as home, httpx2.AsyncClient() as client:
        port = home.app.traffic.telemetry.port
        assert port is not None
        assert (await client.get(f"{home.url}/metrics")).status_code == 404
        assert (await client.get(f"http://127.0.0.1:{port.port}/metrics")).status_code == 200
        assert (await client.get(f"http://127.0.0.1:{port.port}/v1/models")).status_code == 404
        error = (await client.get(f"http://127.0.0.1:{port.port}/v1/models")).json()
        assert json.dumps(error).count("message") == 1


def test_no_metric_grows_without_end() -> None:
    metrics = Metrics(lambda provider, model: str(model))
    batch = [seen(model=f"m{n}") for n in range(MOST_SERIES + 500)]
    metrics.saw(batch)
    page = metrics.text()
    assert page.count("doorward_calls_total{") == MOST_SERIES + 1
    assert sum(value for (name, _), value in samples(page).items() if name == "doorward_calls_total") == MOST_SERIES + 500
    assert page.count("doorward_first_byte_seconds_count{") <= MOST_SERIES

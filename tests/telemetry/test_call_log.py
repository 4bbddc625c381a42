"""One line a settled call: the fields that people asked for, nothing of what was said, and off the hot path."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2
import pytest
from tests.answers import chat_answer
from tests.house import CANARY, house
from tests.scripted import ScriptedUpstream
from tests.telemetry.calls import seen, settled

from doorward.core.exchange import Asks, Exchange, MemoryBody
from doorward.telemetry.call_log import CallLog, line_of
from doorward.telemetry.feed import MOST_WAITING, Feed, messages_of


def exchange(body: bytes) -> Exchange:
    return Exchange("req_00000001", "POST", "/v1/chat/completions", b"", [], MemoryBody(body), Asks(), "127.0.0.1", 0.0)


def test_the_line_is_to_the_letter() -> None:
    line = line_of(seen())
    assert b'"duration_s":1.20,' in line, "two decimals, also when the last is 0"
    data = json.loads(line)
    assert data["event"] == "call"
    assert data["provider"] == "openai"
    assert data["model"] == "gpt-4o-mini"
    assert data["messages"] == 3
    assert data["total_tokens"] == 15
    assert data["status"] == 200
    assert data["attempts"] == 1
    assert data["cost_usd"] == "0.0000045"
    assert json.loads(line_of(seen(cost_nanos=None)))["cost_usd"] == "unknown"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b'{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text"}]}]}', 2),
        (b'{"input":["a","b","c"]}', 3),
        (b'{"input":"a"}', 1),
        (b'{"model":"m"}', None),
        (b'{"messages":"what"}', None),
        (b"\xff\x00 not JSON", None),
        (b"", None),
    ],
)
def test_messages_are_counted_and_never_raise(body: bytes, messages: int | None) -> None:
    assert messages_of(exchange(body)) == messages


def test_what_looks_like_a_key_does_not_leave_in_a_models_name() -> None:
    lines: list[str] = []
    log = CallLog(lines.append)
    log.saw([seen(model=CANARY), seen()])
    log.close()
    text = "".join(lines)
    assert CANARY not in text
    assert len([json.loads(line) for line in text.splitlines()]) == 2


def test_a_reader_of_stderr_who_stopped_costs_lines_and_nothing_else() -> None:
    def broken(_text: str) -> None:
        raise OSError("no room")

    log = CallLog(broken)
    log.saw([seen()])
    log.close()
    assert log.dropped == 1


def test_a_full_queue_drops_and_counts() -> None:
    feed = Feed()
    one, asked = settled(), exchange(b"{}")
    for _ in range(MOST_WAITING + 7):
        feed.settled(lambda: one, asked, 0)
    assert feed.dropped == 7


def test_the_hot_path_pays_at_most_three_microseconds() -> None:
    one, asked = settled(), exchange(b'{"messages":[]}')
    best = float("inf")
    for _ in range(20):
        feed = Feed()
        began = time.process_time()
        for _ in range(2_000):
            feed.settled(lambda: one, asked, 0)
        best = min(best, (time.process_time() - began) / 2_000 * 1e6)
    assert best <= 3.0


def test_large_requests_do_not_wait_in_memory() -> None:
    feed, batches = Feed(), []

    class Sink:
        def saw(self, calls: object) -> None:
            batches.append(calls)

        def refused(self, endpoint: str, code: str) -> None:
            raise AssertionError("nothing was refused")

    feed.add(Sink())
    asked = exchange(b'{"messages":[{"content":"' + b"x" * 1_000_000 + b'"}]}')
    for _ in range(40):
        feed.settled(settled, asked, 0)
    assert len(batches) >= 2


async def test_lines_come_from_a_running_house_unless_the_level_says_no(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ask = {"model": "scripted/gpt-4o-mini", "messages": [{"role": "user", "content": "a private question"}] * 4}
    for level in ("info", "warning"):
        async with ScriptedUpstream(chat_answer("a private answer")) as up, house(tmp_path / level, log_level=level) as home:
            await home.provider("scripted", up.base_url, "gpt-4o-mini", prices="openai")
            await home.account("scripted")
            headers = {"authorization": f"Bearer {await home.key()}", "x-request-id": f"my-call-{level}"}
            async with httpx2.AsyncClient(base_url=home.url, headers=headers) as client:
                assert (await client.post("/v1/chat/completions", json=ask)).status_code == 200
    text = capfd.readouterr().err
    lines = [json.loads(line) for line in text.splitlines() if '"event":"call"' in line]
    assert [(line["request_id"], line["messages"]) for line in lines] == [("my-call-info", 4)]
    for private in ("private question", "private answer", CANARY, headers["authorization"][7:]):
        assert private not in text

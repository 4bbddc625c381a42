"""A reset or a clean close at every byte offset of an answer, JSON and SSE, plain and TLS, through the whole door."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.answers import Answer, Close, Reset, Step, chat_answer, chat_stream
from tests.counts import FULL
from tests.faults.stage import Seen, Stage, stage
from tests.faults.table import Row, record
from tests.scripted import Request, authority

WORDS = [f"word{i} " for i in range(8)]
EVERY = 1 if FULL else 40
"""Every so many bytes, and around the places that matter."""
AT_ONCE = 40


def answer(stream: bool) -> Answer:
    return chat_stream(WORDS, model="primary") if stream else chat_answer("".join(WORDS), model="primary", output_tokens=8)


def offsets(whole: bytes) -> Iterator[int]:
    head = whole.index(b"\r\n\r\n") + 4
    near = {0, 1, head - 1, head, head + 1, len(whole) - 1}
    yield from sorted(near | set(range(0, len(whole), EVERY)))


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        trusted = tmp_path / "ca.pem"
        authority().cert_pem.write_to_path(trusted)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return bool(request.param)


@pytest.mark.parametrize("end", [Reset(), Close()], ids=["reset", "close"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("rescue", [False, True], ids=["plain-route", "rescue"])
async def test_cut_at_every_offset(tmp_path: Path, stream: bool, rescue: bool, end: Step, tls: bool) -> None:
    whole = answer(stream)
    places = list(offsets(whole.wire))

    def script(request: Request) -> Answer:
        return whole.cut(int(request.json["model"].rsplit("-", 1)[1]), end)

    def well(request: Request) -> Answer:
        return answer(stream)

    async with stage(tmp_path, script, rescue=rescue, match="primary-*", fallback_script=well, tls=tls) as on:
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            seen = await asyncio.gather(*(on.chat(stream=stream, model=f"primary-{at}") for at in some))
            for at, caller in zip(some, seen, strict=True):
                (_rescued if rescue else _plain)(on, caller, whole.wire, at, stream)
        rows = await on.house.rows(len(places))
        assert len(rows) == len(places), "one row a call"
        if not rescue:
            assert all(row.attempts == 1 for row in rows)
            assert on.primary.calls == len(places)
            assert on.fallback.calls == 0
    where = "every byte" if FULL else f"every {EVERY}th byte"
    kind = f"{'SSE' if stream else 'JSON'} answer, {type(end).__name__.lower()} at {where}"
    outcome = "whole answer" if rescue else "502, or one error event"
    record(Row(f"{kind}{', TLS' if tls else ''}", rescue, len(places), outcome, "1 to 3 + 1" if rescue else "1 + 0"))


def _plain(on: Stage, caller: Seen, whole: bytes, at: int, stream: bool) -> None:
    """Never sent again; an error in place of an answer, or one event after the events that came."""
    finish = whole.find(b'"finish_reason": "stop"')
    end_of_finish = whole.index(b"\n\n", finish) + 2 if stream else len(whole)
    if at >= end_of_finish:
        assert caller.error is None
        assert caller.done
        assert caller.text == "".join(WORDS)
        return
    assert caller.code == "upstream_lost", (at, caller.raw)
    assert not caller.done
    assert caller.raw.count('"error"') == 1
    if caller.status != 200:
        assert (caller.status, caller.headers["x-should-retry"]) == (502, "false")
    assert "".join(WORDS).startswith(caller.text)


def _rescued(on: Stage, caller: Seen, whole: bytes, at: int, stream: bool) -> None:
    assert caller.status == 200, (at, caller.raw)
    assert caller.error is None, (at, caller.raw)
    assert caller.text == "".join(WORDS), at
    assert caller.done

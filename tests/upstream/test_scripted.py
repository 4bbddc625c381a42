"""The scripted upstream itself: it must tell the truth, because every other test believes it."""

from __future__ import annotations

import asyncio

import pytest
from tests.answers import Close, Sleep, chat_answer, chat_stream, error_answer, json_answer
from tests.scripted import ScriptedUpstream

from doorward.core.exchange import MemoryBody
from doorward.upstream.port import Lost, Outgoing
from doorward.upstream.transport import HttpTransport


async def _post(client: HttpTransport, up: ScriptedUpstream, body: bytes = b"{}") -> tuple[int, bytes]:
    incoming = await client.open(Outgoing(up.origin, "POST", b"/v1/chat/completions", [(b"a", b"b")], MemoryBody(body)))
    pieces = []
    try:
        while piece := await incoming.read(5):
            pieces.append(piece)
    finally:
        incoming.close()
    return incoming.status, b"".join(pieces)


@pytest.mark.parametrize("tls", [False, True])
async def test_records_requests_and_bills(tls: bool) -> None:
    async with ScriptedUpstream([error_answer(500, None), chat_answer("Hello")], tls=tls) as up:
        client = HttpTransport(extra_ca=up.ca_file if tls else None)
        assert (await _post(client, up))[0] == 500
        status, body = await _post(client, up, b'{"model": "m"}')
        assert (status, b"Hello" in body) == (200, True)
        assert (up.calls, up.billed, up.bills[0].output_tokens) == (2, 1, 5)
        assert up.requests[1].json == {"model": "m"}
        assert up.requests[1].header("A") == "b"
        assert len(up.connections) == up.open == 1
        await client.close()
        await up.wait_for_leavers(1)
        assert up.open == 0


async def test_cut_answers_are_not_billed_unless_told() -> None:
    whole = chat_stream(["a", "b"])
    async with ScriptedUpstream([whole.cut(len(whole.wire) - 1), whole.billed_first().cut(40, Close()), whole]) as up:
        client = HttpTransport()
        for _ in range(2):
            with pytest.raises(Lost):
                await _post(client, up)
        assert up.billed == 1
        assert (await _post(client, up))[1].endswith(b"data: [DONE]\n\n")
        assert up.billed == 2
        await client.close()


async def test_a_function_chooses_and_steps_take_their_time() -> None:
    async with ScriptedUpstream(lambda request: json_answer({"n": request.number}).after(Sleep(0.05))) as up:
        client = HttpTransport()
        answers = await asyncio.gather(*(_post(client, up) for _ in range(3)))
        assert sorted(body for _, body in answers) == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
        assert all(request.answered_s and request.answered_s - request.at_s >= 0.045 for request in up.requests)
        await client.close()

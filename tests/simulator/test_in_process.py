"""The transport without a socket, used as the relay uses any transport."""

from __future__ import annotations

import asyncio
import json

import pytest

from doorward.core.exchange import MemoryBody
from doorward.simulator.app import Simulator
from doorward.simulator.faults import Behaviour, parse_fault
from doorward.simulator.in_process import SimulatorTransport
from doorward.upstream.port import Incoming, Lost, Origin, Outgoing, Silent, Stage, Transport

BODY = {"model": "sim-x", "messages": [{"role": "user", "content": "What is a monad?"}]}


def outgoing(body: dict = BODY, head_s: float = 5.0) -> Outgoing:
    origin = Origin("http", "simulator", 80)
    return Outgoing(origin, "POST", b"/v1/chat/completions", [], MemoryBody(json.dumps(body).encode()), head_s=head_s)


def transport(behaviour: Behaviour = Behaviour()) -> tuple[Simulator, SimulatorTransport]:
    simulator = Simulator(behaviour)
    made = SimulatorTransport(
        simulator, lambda message, stage: Lost(message, Stage(stage)), lambda message, stage: Silent(message, Stage(stage))
    )
    _: Transport = made
    return simulator, made


async def read_all(incoming: Incoming) -> bytes:
    chunks = []
    while chunk := await incoming.read(5):
        chunks.append(chunk)
    return b"".join(chunks)


async def test_it_answers_as_on_a_socket():
    simulator, made = transport()
    incoming = await made.open(outgoing())
    assert incoming.status == 200
    assert dict(incoming.headers)[b"content-type"] == b"application/json"
    assert json.loads(await read_all(incoming))["choices"][0]["message"]["content"]
    incoming.close()
    incoming.close()
    streamed = await made.open(outgoing({**BODY, "stream": True}))
    assert (await read_all(streamed)).endswith(b"data: [DONE]\n\n")
    assert [record.finished for record in simulator.log.records] == [True, True]


async def test_closing_stops_the_app_at_once():
    simulator, made = transport(Behaviour(tokens_per_s=20))
    incoming = await made.open(outgoing({**BODY, "stream": True}))
    await incoming.read(5)
    incoming.close()
    async with asyncio.timeout(1):
        while simulator.open_calls:
            await asyncio.sleep(0)
    assert simulator.log.records[0].aborted_at is not None


async def test_cancelling_the_opening_stops_the_app():
    simulator, made = transport(Behaviour(latency_ms=60_000))
    opening = asyncio.ensure_future(made.open(outgoing()))
    await asyncio.sleep(0.05)
    assert simulator.open_calls == 1
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(0.05)
    assert simulator.open_calls == 0


async def test_a_broken_answer_and_silence_raise_what_the_port_says():
    _, made = transport(Behaviour(faults=(parse_fault("cut=5"),)))
    incoming = await made.open(outgoing({**BODY, "stream": True}))
    with pytest.raises(Lost) as lost:
        await read_all(incoming)
    assert lost.value.stage is Stage.BODY
    _, made = transport(Behaviour(faults=(parse_fault("reset"),)))
    with pytest.raises(Lost) as lost:
        await made.open(outgoing())
    assert lost.value.stage is Stage.SENT
    simulator, made = transport(Behaviour(faults=(parse_fault("stall=0"),)))
    with pytest.raises(Silent):
        await made.open(outgoing(head_s=0.05))
    await asyncio.sleep(0.05)
    assert simulator.open_calls == 0


async def test_an_unread_answer_does_not_fill_the_memory():
    simulator, made = transport(Behaviour(answer_tokens=50_000))
    incoming = await made.open(outgoing({**BODY, "stream": True}))
    await asyncio.sleep(0.3)
    assert simulator.open_calls == 1
    assert incoming._held < 512 * 1024
    assert len(await read_all(incoming)) > 5_000_000
    assert simulator.log.records[0].tokens_out == 50_000


async def test_closing_the_transport_ends_every_call():
    simulator, made = transport(Behaviour(tokens_per_s=5))
    for _ in range(5):
        await made.open(outgoing({**BODY, "stream": True}))
    await made.close()
    await asyncio.sleep(0.05)
    assert simulator.open_calls == 0

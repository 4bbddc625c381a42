"""A stream that died mid-way, on routes that would rather pay twice than fail (R29).

By prefill where the next model is known to continue a trailing assistant message, else by replay: the whole call is
sent again, and what comes is spliced on if the delivered text is a byte prefix of it. Tool calls and several choices
are not continued: half a tool call cannot be told from a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.core.exchange import Exchange, MemoryBody, Reply
from doorward.providers.model_facts import ModelFacts
from doorward.providers.route import Plan
from doorward.relay.refused import Refused
from doorward.relay.splice import Splice, Told
from doorward.upstream.classify import Outcome, Verdict
from doorward.wire import openai

if TYPE_CHECKING:
    from doorward.relay.failover import Call, Failover, Started

Died = UpstreamLost | UpstreamSilent
_CONTINUED = frozenset({"chat", "completion"})


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw]


class Rescue:
    def __init__(self, failover: Failover, facts: ModelFacts) -> None:
        self._failover = failover
        self._facts = facts

    @asynccontextmanager
    async def through(self, call: Call) -> AsyncIterator[Reply]:
        started = await self._failover.start(call)
        if isinstance(started, Refused):
            yield started.reply(call.entry)
            return
        running = _Running(started)
        reply = started.reply
        try:
            yield Reply(reply.status, reply.headers, self._chunks(running, call), reply.streamed) if reply.streamed else reply
        finally:
            running.started.close()

    async def _chunks(self, running: _Running, call: Call) -> AsyncIterator[bytes]:
        told = Told(call.endpoint.kind)
        source: AsyncIterator[bytes] = running.started.reply.chunks
        while True:
            try:
                async for event in source:
                    told.saw(event)
                    yield event
                return
            except (UpstreamLost, UpstreamSilent) as died:
                if call.endpoint.kind not in _CONTINUED or not told.can_continue or call.exchange.asks.n != 1:
                    raise
                running.started.close()
                verdict = Verdict(Outcome.AMBIGUOUS, reason="the stream died", silent=isinstance(died, UpstreamSilent))
                call.trip.ended(running.started.plan, verdict)
                source = await self._continued(running, call, told, died)

    async def _continued(
        self, running: _Running, call: Call, told: Told, died: UpstreamLost | UpstreamSilent
    ) -> AsyncIterator[bytes]:
        """The rest of the answer, from another attempt. Raises `died` when there is none."""
        failover = self._failover
        while (step := await failover.following(call)) is not None:
            plan = step.plan
            prefilled = self._prefilled(plan, call, told)
            if prefilled is not None:
                outcome = await failover.attempt(plan, call, prefilled)
                if not isinstance(outcome, Refused) and outcome.reply.streamed:
                    running.started = outcome
                    call.entry.note("rescue", by="prefill", provider=plan.provider.id, model=plan.model)
                    return _without_role(outcome.reply.chunks)
                _drop(outcome)
                # The client never sees a refusal of our own doing: the call is sent again as it was.
            outcome = await failover.attempt(plan, call, call.exchange)
            if isinstance(outcome, Refused):
                call.trip.ended(plan, outcome.verdict)
                continue
            if not outcome.reply.streamed:
                outcome.close()
                raise died
            running.started = outcome
            call.entry.note("rescue", by="replay", provider=plan.provider.id, model=plan.model)
            return Splice(told, call.endpoint.kind).through(outcome.reply.chunks, died)
        raise died

    def _prefilled(self, plan: Plan, call: Call, told: Told) -> Exchange | None:
        """The call with the delivered text as a trailing assistant message, where this model continues one."""
        data = call.exchange.body.data
        if call.endpoint.kind != "chat" or not told.text or data is None or not self._facts.of(plan.model).prefill:
            return None
        messages = msgspec.json.decode(data, type=_Messages).messages
        # Models that continue refuse a trailing message that ends in white space.
        messages.append(msgspec.Raw(msgspec.json.encode({"role": "assistant", "content": told.text.rstrip()})))
        return replace(call.exchange, body=MemoryBody(openai.with_field(data, "messages", msgspec.json.encode(messages))))


class _Running:
    """The attempt that answers now; leaving the block closes this one, whichever it has become."""

    __slots__ = ("started",)

    def __init__(self, started: Started) -> None:
        self.started = started


def _drop(outcome: Started | Refused) -> None:
    if not isinstance(outcome, Refused):
        outcome.close()


async def _without_role(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A continuation's first event opens a message; the client's is open already."""
    first = True
    async for event in chunks:
        if not (first and b'"role"' in event and not Told("chat").text_of(event)):
            yield event
        first = False

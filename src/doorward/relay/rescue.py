"""A stream that died mid-way, on routes that would rather pay twice than fail (R29).

By prefill where the next model is known to continue a trailing assistant message, else by replay: the whole call is
sent again, and what comes is spliced on if the delivered text is a byte prefix of it. Tool calls and several choices
are not continued: half a tool call cannot be told from a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace

from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.core.exchange import Exchange, MemoryBody, Reply
from doorward.providers.model_facts import ModelFacts
from doorward.providers.route import Plan
from doorward.relay.attempts import Answering, Attempts, Call, Started
from doorward.relay.event_stream import EventStream
from doorward.relay.refused import Refused
from doorward.relay.resend import MOST_ATTEMPTS, Next
from doorward.relay.splice import Differs, Splice, Told, continued
from doorward.upstream.classify import Outcome, Verdict
from doorward.wire import openai

_CONTINUED = frozenset({"chat", "completion"})


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw]


class Rescue:
    def __init__(self, attempts: Attempts, facts: ModelFacts) -> None:
        self._attempts = attempts
        self._facts = facts

    def through(self, call: Call) -> Rescued:
        return Rescued(self._attempts, self._facts, call)


class Rescued(Answering):
    """One answer put together from several attempts, and the block in which it is read; `_started` is the attempt that speaks."""

    __slots__ = ("_facts", "_told", "_will_not_continue", "saw")

    def __init__(self, attempts: Attempts, facts: ModelFacts, call: Call) -> None:
        super().__init__(attempts, call)
        self._facts = facts
        self._told = told = Told(call.endpoint.kind)
        self.saw = told.saw
        """`event_stream.Heir`."""
        self._will_not_continue: set[Plan] = set()

    async def __aenter__(self) -> Reply:
        outcome = await self._attempts.start(self._call)
        if isinstance(outcome, Refused):
            return outcome.reply(self._call.entry)
        self._started = outcome
        reply = outcome.reply
        if isinstance(reply.chunks, EventStream):
            reply.chunks.heir = self
        return reply

    async def after(self, died: UpstreamLost | UpstreamSilent) -> AsyncIterator[bytes]:
        """`event_stream.Heir`: the rest of the answer; of one that cannot be gone on with, its own end."""
        call, told = self._call, self._told
        while True:
            if call.endpoint.kind not in _CONTINUED or not told.can_continue or call.exchange.asks.n != 1:
                raise died
            assert self._started is not None
            self._started.close()
            verdict = Verdict(Outcome.AMBIGUOUS, reason="the stream died", silent=isinstance(died, UpstreamSilent))
            call.trip.ended(self._started.plan, verdict)
            try:
                async for event in await self._rest(died):
                    told.saw(event)
                    yield event
                return
            except (UpstreamLost, UpstreamSilent) as cause:
                if cause is died:
                    raise
                died = cause
            except Differs:
                call.entry.note("rescue", by="none", why="the new answer is another one")
                raise died from None

    async def _rest(self, died: UpstreamLost | UpstreamSilent) -> AsyncIterator[bytes]:
        """The rest of the answer, from another attempt. Raises `died` when there is none."""
        call, trip = self._call, self._call.trip
        while (step := await self._attempts.following(call)) is not None:
            plan = step.plan
            prefilled = self._prefilled(plan)
            outcome = await self._attempts.attempt(plan, call, prefilled or call.exchange)
            if prefilled is not None and _refuses_prefill(outcome) and len(trip.made) < MOST_ATTEMPTS:
                # The client never sees a refusal of our own doing. It was not billed, so its hold covers the replay.
                self._will_not_continue.add(plan)
                prefilled = None
                outcome = await self._attempts.attempt(plan, call, call.exchange)
            if isinstance(outcome, Refused):
                if trip.ended(plan, outcome.verdict) is Next.STOP:
                    break
                continue
            if not outcome.reply.streamed:
                outcome.close()
                break
            self._started = outcome
            call.entry.note("rescue", by="replay" if prefilled is None else "prefill", provider=plan.provider.id, model=plan.model)
            if prefilled is None:
                return Splice(self._told, call.endpoint.kind).through(outcome.reply.chunks)
            return continued(outcome.reply.chunks, _trailing_space(self._told.text))
        raise died

    def _prefilled(self, plan: Plan) -> Exchange | None:
        """The call with the delivered text as a trailing assistant message, where this model continues one."""
        exchange, text = self._call.exchange, self._told.text.rstrip()
        data = exchange.body.data
        if self._call.endpoint.kind != "chat" or not text or data is None or plan in self._will_not_continue:
            return None
        if not self._facts.of(plan.model).prefill:
            return None
        messages = msgspec.json.decode(data, type=_Messages).messages
        # Models that continue refuse a trailing message that ends in white space.
        messages.append(msgspec.Raw(msgspec.json.encode({"role": "assistant", "content": text})))
        return replace(exchange, body=MemoryBody(openai.with_field(data, "messages", msgspec.json.encode(messages))))


def _refuses_prefill(outcome: Started | Refused) -> bool:
    return isinstance(outcome, Refused) and outcome.verdict.outcome in (Outcome.CALLERS_FAULT, Outcome.CONTEXT_LENGTH)


def _trailing_space(text: str) -> str:
    return text[len(text.rstrip()) :]

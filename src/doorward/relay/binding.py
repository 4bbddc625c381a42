"""Ids in answers of creating calls are bound to (account, owner) before the client sees them (R18)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from doorward.core.caller import Caller
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.objects.ownership import Ownership
from doorward.wire.endpoints import Endpoint
from doorward.wire.sse import Splitter, data_of

_CREATES = {"/v1/files": "file", "/v1/responses": "response"}
_LARGEST_ANSWER_BYTES = 8 * 2**20
"""An id is looked for in answers up to this size; creating calls answer in far less."""


class _Named(msgspec.Struct):
    id: str | None = None


class _Event(msgspec.Struct):
    response: _Named | None = None


_named = msgspec.json.Decoder(_Named)
_event = msgspec.json.Decoder(_Event)


class Binding:
    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership

    def through(self, reply: Reply, exchange: Exchange, caller: Caller, endpoint: Endpoint, entry: Entry) -> Reply:
        if endpoint.objects != "covered" or reply.status >= 300:
            return reply
        kind = _CREATES.get(endpoint.template) if exchange.method == "POST" else None
        if kind is not None:
            reply.chunks = self._bind(reply.chunks, reply.streamed, kind, caller, entry)
        elif exchange.method == "DELETE":
            reply.chunks = self._forget(reply.chunks, exchange, caller)
        return reply

    async def _bind(
        self, chunks: AsyncIterator[bytes], streamed: bool, kind: str, caller: Caller, entry: Entry
    ) -> AsyncIterator[bytes]:
        bound = False
        held = b""
        async for chunk in chunks:
            if not bound and len(held) <= _LARGEST_ANSWER_BYTES:
                found = _id_in_events(chunk) if streamed else _id_in(held := held + chunk)
                if found is not None:
                    last = entry.attempts[-1]
                    await self._ownership.bind(found, kind, caller, last.provider_id, last.account_id)
                    bound = True
            yield chunk

    async def _forget(self, chunks: AsyncIterator[bytes], exchange: Exchange, caller: Caller) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        await self._ownership.forget(caller, exchange.path.rsplit("/", 1)[1])


def _id_in(body: bytes) -> str | None:
    try:
        return _named.decode(body).id
    except msgspec.DecodeError:
        return None


def _id_in_events(events: bytes) -> str | None:
    """`events` are whole: those that came together stand in one chunk."""
    for event in Splitter().feed(events):
        data = data_of(event)
        try:
            found = _event.decode(data) if data else None
        except msgspec.DecodeError:
            continue
        if found is not None and found.response is not None and found.response.id is not None:
            return found.response.id
    return None

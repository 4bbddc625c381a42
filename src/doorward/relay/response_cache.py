"""Answers given again (R38): exact, owner-scoped, only complete successes; streams are replayed as streams.

Off on `/v1` unless the operator switches it on; app endpoints ask for it themselves. The key is a hash of the owner,
the endpoint, where the call would go, and every parameter, in whatever order it was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import msgspec

from doorward.core.caller import Caller
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.providers.route import Route
from doorward.relay.recording import LARGEST_BYTES, recorded, unpacked
from doorward.shared.cache import Cache
from doorward.wire.endpoints import Endpoint

_FRESH = ("fresh", "1")
_KINDS = frozenset({"chat", "completion", "embedding", "moderation"})


@dataclass(slots=True)
class CacheKey:
    """Where one call's answer is looked for, and kept. `epoch` is its owner's when it was looked for (`shared.cache`)."""

    digest: str
    epoch: int | None = None

    def __str__(self) -> str:
        return f"{self.digest} {self.epoch}"


class ResponseCache:
    """`on`: for `/v1` as a whole. `ttl_s` in seconds."""

    def __init__(self, cache: Cache, *, on: bool, ttl_s: float = 3600.0) -> None:
        self._cache = cache
        self._on = on
        self._ttl_s = ttl_s

    def key(self, caller: Caller, exchange: Exchange, endpoint: Endpoint, route: Route) -> CacheKey | None:
        """`None`: this call is not one that may be answered from the cache."""
        if not self._on or exchange.method != "POST" or endpoint.kind not in _KINDS or route.pinned:
            return None
        data = exchange.body.data
        if not data or len(data) > LARGEST_BYTES or exchange.asks.object_ids:
            return None
        first = route.first
        parts = (
            caller.owner,
            endpoint.template,
            first.provider.id,
            first.model or "",
            urlencode([pair for pair in _query(exchange) if pair != _FRESH]),
            (exchange.header(b"openai-beta") or b"").decode("latin-1"),
        )
        digest = hashlib.sha256("\x00".join(parts).encode())
        digest.update(msgspec.json.encode(msgspec.json.decode(data), order="sorted"))
        return CacheKey(digest.hexdigest())

    @staticmethod
    def is_bypassed(exchange: Exchange) -> bool:
        """`?fresh=1` or `Cache-Control: no-cache`: not read, but the new answer is kept."""
        if b"no-cache" in (exchange.header(b"cache-control") or b"").lower():
            return True
        return _FRESH in _query(exchange)

    async def find(self, caller: Caller, key: CacheKey | None, exchange: Exchange, entry: Entry) -> Reply | None:
        if key is None:
            return None
        key.epoch = await self._cache.epoch(caller.owner)
        if self.is_bypassed(exchange):
            entry.cache = "miss"
            return None
        data = await self._cache.get(caller.owner, key.digest, key.epoch)
        found = unpacked(data) if data is not None else None
        entry.cache = "miss" if found is None else "hit"
        return found.reply() if found is not None else None

    def record(self, reply: Reply, caller: Caller, key: CacheKey | None) -> Reply:
        if key is not None and reply.status == 200:
            reply.chunks = self._recorded(reply.chunks, reply, caller.owner, key)
        return reply

    async def _recorded(self, chunks: AsyncIterator[bytes], reply: Reply, owner: str, key: CacheKey) -> AsyncIterator[bytes]:
        """Kept when the end was reached without an error and the owner's entries were not dropped meanwhile.

        An answer that outgrows the bound is not held any longer.
        """
        held: list[bytes] = []
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size <= LARGEST_BYTES:
                held.append(chunk)
            else:
                held.clear()
            yield chunk
        if size <= LARGEST_BYTES:
            await self._cache.put(owner, key.digest, recorded(reply, held).packed(), self._ttl_s, key.epoch)

    async def drop(self, owner: str) -> None:
        await self._cache.drop(owner)


def _query(exchange: Exchange) -> list[tuple[str, str]]:
    return [] if not exchange.query else parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True)

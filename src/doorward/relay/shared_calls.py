"""Calls that several clients share: one upstream call, however often it is asked for while it runs, or afterwards.

    Idempotency-Key          the same key gets the same answer for 24 h; the call is finished even if its client leaves
    x-stainless-retry-count  an SDK that asks again while its first call still looks open joins that call
    the response cache       identical calls in flight share one

Who joins has a row of its own that costs 0. Joining never delays an abort: when the last listener leaves, the call is
cancelled at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from types import TracebackType
from weakref import WeakValueDictionary

from doorward.core.caller import Caller
from doorward.core.errors import Conflict, DoorwardError, IdempotencyMismatch, Unavailable
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.relay.idempotency import Idempotency
from doorward.relay.recording import LARGEST_BYTES, recorded
from doorward.relay.response_cache import CacheKey
from doorward.relay.shared_call import Follower, SharedCall
from doorward.telemetry.logs import named
from doorward.wire import envelope

_TRY_ANEW = frozenset({401, 408, 409, 429})
"""Refusals that another time may not meet: they are not kept for an `Idempotency-Key`."""
TOO_LARGE = f"The answer to this Idempotency-Key was over {LARGEST_BYTES >> 20} MiB, so it was not kept. Use a new key."

log = named(__name__)


class SharedCalls:
    def __init__(self, idempotency: Idempotency) -> None:
        self.idempotency = idempotency
        self._running: dict[str, SharedCall] = {}
        self._claiming: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def through(
        self, exchange: Exchange, caller: Caller, entry: Entry, cache_key: CacheKey | None, *, fresh: bool = False
    ) -> Sharing | Alone:
        """Enter to learn whether another call answers this one. `fresh`: no call that runs already, by its cache key."""
        if exchange.method != "POST":
            return ALONE
        named = (exchange.header(b"idempotency-key") or b"").strip() or None
        retry = exchange.header(b"x-stainless-retry-count")
        if named is None and retry is None and cache_key is None:
            return ALONE
        return Sharing(self, exchange, caller, entry, named, retry, cache_key, fresh)

    def running(self, name: str) -> SharedCall | None:
        shared = self._running.get(name)
        return shared if shared is not None and shared.can_be_joined else None

    def begun(self, names: list[str], shared: SharedCall) -> None:
        for name in names:
            self._running[name] = shared

    def ended(self, names: list[str], shared: SharedCall) -> None:
        for name in names:
            if self._running.get(name) is shared:
                del self._running[name]

    def claiming(self, name: str) -> asyncio.Lock:
        """Two calls of this process with one key: the second waits until it can see the first."""
        lock = self._claiming.get(name)
        if lock is None:
            lock = self._claiming[name] = asyncio.Lock()
        return lock


class Alone:
    """A call that nobody can share; the way through costs nothing."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    @staticmethod
    def tee(reply: Reply) -> Reply:
        return reply


ALONE = Alone()


class Sharing:
    """One call's place among those that share: `async with` gives the answer of another, or `None` to make the call."""

    def __init__(
        self,
        calls: SharedCalls,
        exchange: Exchange,
        caller: Caller,
        entry: Entry,
        named: bytes | None,
        retry: bytes | None,
        cache_key: CacheKey | None,
        fresh: bool,
    ) -> None:
        self._calls = calls
        self._exchange = exchange
        self._owner = caller.owner
        self._entry = entry
        self._named = named
        self._retry = retry
        self._cache_key = cache_key
        self._fresh = fresh
        self._names: list[str] = []
        self._claim: str | None = None
        self._own: SharedCall | None = None
        self._follower: Follower | None = None

    async def __aenter__(self) -> Reply | None:
        fingerprint = await _fingerprint(self._exchange)
        if self._named is not None:
            return await self._by_key(self._named, fingerprint)
        if self._cache_key is not None:
            self._names.append(f"cache {self._owner} {self._cache_key}")
            if not self._fresh and (running := self._calls.running(self._names[-1])) is not None:
                return await self._join(running)
        if self._retry is not None:
            self._names.append(f"retry {self._owner} {fingerprint}")
            if self._retry != b"0" and (running := self._calls.running(self._names[-1])) is not None:
                return await self._join(running)
        self._begin(finishes=False)
        return None

    async def _by_key(self, key: bytes, fingerprint: str) -> Reply | None:
        name = hashlib.sha256(b"\x00".join((self._owner.encode(), key))).hexdigest()
        self._names.append(f"named {name} {fingerprint}")
        async with self._calls.claiming(name):
            running = self._calls.running(self._names[-1])
            if running is None:
                claim = await self._calls.idempotency.claim(name, fingerprint)
                if claim.fingerprint != fingerprint:
                    raise IdempotencyMismatch(
                        "This Idempotency-Key was used with another request. Use a new key for a new request.",
                        param="idempotency-key",
                    )
                if claim.is_mine:
                    self._claim = name
                    self._begin(finishes=True)
                    return None
                if not claim.is_done:
                    raise Conflict("A call with this Idempotency-Key is running. Ask again when it has ended.", retry_after_s=1)
        if running is not None:
            return await self._join(running)
        kept = await self._calls.idempotency.answer(name)
        if kept is None:
            raise Unavailable("The answer kept for this Idempotency-Key cannot be read now. Ask again.", retry_after_s=1)
        self._entry.cache = "hit"
        self._entry.note("shared", by="idempotency-key")
        return kept.reply()

    async def _join(self, running: SharedCall) -> Reply:
        self._entry.cache = "joined"
        self._entry.note("shared", by="joining a call that runs")
        follower = self._follower = running.join()
        try:
            return await follower.reply()
        except BaseException:
            follower.leave()  # leaving the block would come too late: it was not entered
            raise

    def _begin(self, *, finishes: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        shared = self._own = SharedCall(task, finishes=finishes)
        self._calls.begun(self._names, shared)
        gone = self._exchange.gone
        # The client's leaving no longer cancels this task: it counts as one listener less.
        gone.forget(task.cancel)
        gone.then(shared.first_left)

    def tee(self, reply: Reply) -> Reply:
        """The answer of the call that is made here, told to those who listen as well."""
        if self._own is None:
            return reply
        self._own.began(Reply(reply.status, list(reply.headers), reply.chunks, reply.streamed))
        reply.chunks = self._teed(reply, reply.chunks, self._own)
        return reply

    async def _teed(self, reply: Reply, chunks: AsyncIterator[bytes], shared: SharedCall) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            shared.said(chunk)
            yield chunk
        if self._claim is None or reply.status >= 500 or reply.status in _TRY_ANEW:
            return
        name, self._claim = self._claim, None
        answer = recorded(reply, shared.chunks) if shared.size <= LARGEST_BYTES else None
        if answer is None:
            error = Conflict(TOO_LARGE)
            headers = [item for item in envelope.headers(error, "") if item[0] != b"x-request-id"]
            answer = recorded(Reply(error.status, headers, chunks), [envelope.body(error)])
        try:
            await self._calls.idempotency.keep(name, answer)
        except DoorwardError as cause:
            # The client has its answer. The claim stands until it expires: asking again must not be paid twice.
            log.warning("answer_not_kept", cause=cause.code)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._follower is not None:
            self._follower.leave()
        shared = self._own
        if shared is None:
            return
        self._calls.ended(self._names, shared)
        self._exchange.gone.forget(shared.first_left)
        shared.ended(error)
        if self._claim is not None:
            try:
                await asyncio.shield(self._calls.idempotency.free(self._claim))
            except DoorwardError as cause:
                log.warning("claim_not_freed", cause=cause.code)


async def _fingerprint(exchange: Exchange) -> str:
    digest = hashlib.sha256(b"\x00".join((exchange.method.encode(), exchange.path.encode(), exchange.query)))
    if exchange.body.data is not None:
        digest.update(exchange.body.data)
    else:
        async for chunk in exchange.body.chunks():
            digest.update(chunk)
    return digest.hexdigest()

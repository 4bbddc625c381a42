"""Calls that several clients share: one upstream call, however often it is asked for while it runs, or afterwards.

    Idempotency-Key          the same key gets the same answer for 24 h; the call is finished even if its client leaves
    x-stainless-retry-count  an SDK that asks again while its first call still looks open joins that call
    the response cache       identical calls in flight share one

A shared call belongs to nobody who asked: its task goes on while anybody listens. Who joins has a row of its own that
costs 0. Joining never delays an abort: when the last listener leaves, the call is cancelled at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from types import TracebackType

import structlog

from doorward.core.caller import Caller
from doorward.core.errors import Conflict, DoorwardError, Unavailable, Unprocessable
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.relay.idempotency import Idempotency
from doorward.relay.recording import Recording, kept_headers

MOST_SHARED_BYTES = 2**20
"""Of an answer that can be joined from its beginning; a longer one goes to whom it goes to already."""

log = structlog.get_logger(__name__)


class Mismatch(Unprocessable):
    code = "idempotency_mismatch"


class SharedCalls:
    def __init__(self, idempotency: Idempotency) -> None:
        self._idempotency = idempotency
        self._running: dict[str, Shared] = {}

    def through(self, exchange: Exchange, caller: Caller, entry: Entry, cache_key: str | None) -> Sharing | Alone:
        """Enter to learn whether another call answers this one."""
        if exchange.method != "POST":
            return ALONE
        named = exchange.header(b"idempotency-key")
        retry = exchange.header(b"x-stainless-retry-count")
        if named is None and retry is None and cache_key is None:
            return ALONE
        return Sharing(self, exchange, caller, entry, named, retry, cache_key)

    def running(self, name: str) -> Shared | None:
        shared = self._running.get(name)
        return shared if shared is not None and shared.can_be_joined else None

    def leads(self, names: list[str], shared: Shared) -> None:
        for name in names:
            self._running[name] = shared

    def ended(self, names: list[str], shared: Shared) -> None:
        for name in names:
            if self._running.get(name) is shared:
                del self._running[name]

    @property
    def idempotency(self) -> Idempotency:
        return self._idempotency


class Shared:
    """One running call: what it has said so far, and who listens."""

    def __init__(self, task: asyncio.Task[object], finishes: bool) -> None:
        self.head: Reply | None = None
        self.chunks: list[bytes] = []
        self.size = 0
        self.is_done = False
        self.error: DoorwardError | None = None
        self.listeners = 1
        self._finishes = finishes
        self._task = task
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def can_be_joined(self) -> bool:
        return not self.is_done and self.size <= MOST_SHARED_BYTES

    def left(self) -> None:
        """A listener is gone. The last one takes the call along, unless it is to be finished for a replay."""
        self.listeners -= 1
        if self.listeners == 0 and not self.is_done and not self._finishes:
            self._task.cancel()

    def said(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size <= MOST_SHARED_BYTES or self.listeners > 1:
            self.chunks.append(chunk)
        else:
            self.chunks.clear()
        self.tell()

    def tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def news(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    async def reply(self) -> Reply:
        """The call's answer for one who joined. Raises what the call ended in."""
        while self.head is None:
            if self.error is not None:
                raise self.error
            await self.news()
        return Reply(self.head.status, list(self.head.headers), self._again(), self.head.streamed)

    async def _again(self) -> AsyncIterator[bytes]:
        at = 0
        while True:
            while at < len(self.chunks):
                at += 1
                yield self.chunks[at - 1]
            if self.error is not None:
                raise self.error
            if self.is_done:
                return
            await self.news()


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
    """One call's place among those that share: `async with` gives the answer of another, or `None` to lead."""

    def __init__(
        self,
        calls: SharedCalls,
        exchange: Exchange,
        caller: Caller,
        entry: Entry,
        named: bytes | None,
        retry: bytes | None,
        cache_key: str | None,
    ) -> None:
        self._calls = calls
        self._exchange = exchange
        self._caller = caller
        self._entry = entry
        self._named = named
        self._retry = retry
        self._cache_key = cache_key
        self._names: list[str] = []
        self._claim: str | None = None
        self._led: Shared | None = None
        self._joined: Shared | None = None

    async def __aenter__(self) -> Reply | None:
        fingerprint = await _fingerprint(self._exchange)
        owner = self._caller.owner
        if self._named is not None:
            return await self._by_key(fingerprint)
        if self._cache_key is not None:
            self._names.append(f"cache {owner} {self._cache_key}")
            if (running := self._calls.running(self._names[-1])) is not None:
                return await self._join(running)
        if self._retry is not None:
            self._names.append(f"retry {owner} {fingerprint}")
            if self._retry != b"0" and (running := self._calls.running(self._names[-1])) is not None:
                return await self._join(running)
        self._lead(finishes=False)
        return None

    async def _by_key(self, fingerprint: str) -> Reply | None:
        assert self._named is not None
        name = hashlib.sha256(b"\x00".join((self._caller.owner.encode(), self._named))).hexdigest()
        self._names.append(f"named {name} {fingerprint}")
        if (running := self._calls.running(self._names[-1])) is not None:
            return await self._join(running)
        claim = await self._calls.idempotency.claim(name, fingerprint)
        if claim.fingerprint != fingerprint:
            raise Mismatch("This Idempotency-Key was used with another request. Use a new key for a new request.")
        if claim.is_mine:
            self._claim = name
            self._lead(finishes=True)
            return None
        if not claim.is_done:
            raise Conflict("A call with this Idempotency-Key is running. Ask again when it has ended.", retry_after_s=1)
        kept = await self._calls.idempotency.answer(name)
        if kept is None:
            raise Unavailable("The answer kept for this Idempotency-Key cannot be read now. Ask again.", retry_after_s=1)
        self._entry.cache = "hit"
        self._entry.note("shared", by="idempotency-key")
        return kept.reply()

    async def _join(self, running: Shared) -> Reply:
        running.listeners += 1
        self._joined = running
        self._entry.cache = "joined"
        self._entry.note("shared", by="joining a call that runs")
        return await running.reply()

    def _lead(self, *, finishes: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        shared = self._led = Shared(task, finishes)
        self._calls.leads(self._names, shared)
        gone = self._exchange.gone
        # The client's leaving no longer cancels this task: it counts as one listener less.
        gone.forget(task.cancel)
        gone.then(shared.left)

    def tee(self, reply: Reply) -> Reply:
        """The leader's answer, told to those who listen as well."""
        if self._led is None:
            return reply
        self._led.head = Reply(reply.status, list(reply.headers), reply.chunks, reply.streamed)
        self._led.tell()
        reply.chunks = self._teed(reply, reply.chunks, self._led)
        return reply

    async def _teed(self, reply: Reply, chunks: AsyncIterator[bytes], shared: Shared) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            shared.said(chunk)
            yield chunk
        if (
            self._claim is not None
            and reply.status < 500
            and reply.status not in (401, 408, 409, 429)
            and shared.size <= MOST_SHARED_BYTES
        ):
            kept = Recording(reply.status, kept_headers(reply.headers), shared.chunks, reply.streamed)
            await self._calls.idempotency.keep(self._claim, kept)
            self._claim = None

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._joined is not None:
            self._joined.left()
        shared = self._led
        if shared is None:
            return
        self._calls.ended(self._names, shared)
        self._exchange.gone.forget(shared.left)
        if isinstance(error, DoorwardError):
            shared.error = error
        elif error is not None:
            shared.error = Unavailable("The call that this one had joined was ended. Send it again.", retry_after_s=1)
        shared.is_done = True
        shared.tell()
        if self._claim is not None:
            await asyncio.shield(self._calls.idempotency.free(self._claim))


async def _fingerprint(exchange: Exchange) -> str:
    digest = hashlib.sha256(b"\x00".join((exchange.method.encode(), exchange.path.encode(), exchange.query)))
    if exchange.body.data is not None:
        digest.update(exchange.body.data)
    else:
        async for chunk in exchange.body.chunks():
            digest.update(chunk)
    return digest.hexdigest()

"""Long work beside requests: summaries, batches, additions. Progress, cancelling, and going on after a restart.

A job runs with the rights of who made it, looked at again before each try. A process works on two at a time; when it
stops it gives them back, and when it dies its leases run out, and another process (or the next start) takes them up.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Protocol

from doorward.apps.ask import Ask
from doorward.apps.classify import Classifier
from doorward.apps.search import Searcher
from doorward.apps.summarize import Progress, Summarizer
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, LimitExceeded, NotFound, Unavailable
from doorward.store.jobs import ENDED, Job, JobRows

_log = logging.getLogger("doorward.jobs")

AT_ONCE = 2
LEASE_S = 30.0
LOOK_S = 1.0
MOST_TRIES = 3
MOST_UNFINISHED = 100
"""Of one owner."""


class Webhook(Protocol):
    async def send(self, event: str, data: dict[str, object]) -> bool: ...


AskForJob = Callable[[Caller, str], Ask]
MayStill = Callable[[Caller], Awaitable[bool]]


class Jobs:
    def __init__(
        self,
        rows: JobRows,
        summarizer: Summarizer,
        classifier: Classifier,
        searcher: Searcher,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._summarizer = summarizer
        self._classifier = classifier
        self._searcher = searcher
        self._clock = clock
        self._news = asyncio.Event()

    async def add(self, caller: Caller, kind: str, wish: dict[str, Any]) -> Job:
        """Raises `LimitExceeded` when the owner has too many that are not finished."""
        if await self._rows.unfinished(caller.owner) >= MOST_UNFINISHED:
            raise LimitExceeded(
                f"{MOST_UNFINISHED} of your jobs are not finished yet. Wait for one, or cancel one.", code="too_many_jobs"
            )
        now = self._clock.wall()
        job = Job(f"job_{uuid.uuid4().hex}", caller.owner, caller, kind, wish, "queued", 0, 0, None, None, 0, now, now)
        await self._rows.add(job)
        self._news.set()
        return job

    async def find(self, owner: str, job_id: str) -> Job:
        job = await self._rows.find(job_id, owner)
        if job is None:
            raise NotFound("There is no such job.", code="unknown_job")
        return job

    async def of_owner(self, owner: str, limit: int) -> list[Job]:
        return await self._rows.of_owner(owner, limit)

    async def cancel(self, owner: str, job_id: str) -> Job:
        await self.find(owner, job_id)
        await self._rows.cancel(job_id, owner)
        self._news.set()
        return await self.find(owner, job_id)

    async def run(
        self,
        ask_of: AskForJob,
        may_still: MayStill,
        webhook: Webhook | None = None,
        *,
        look_s: float = LOOK_S,
        lease_s: float = LEASE_S,
    ) -> None:
        """Take jobs and work on them until cancelled; what is unfinished then is given back."""
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._news.clear()
                while len(working) < AT_ONCE and (job := await self._claim(lease_s)) is not None:
                    task = asyncio.create_task(self._work(job, ask_of, may_still, webhook, look_s, lease_s), name=f"job {job.id}")
                    working.add(task)
                    task.add_done_callback(working.discard)
                    task.add_done_callback(lambda _: self._news.set())
                try:
                    async with asyncio.timeout(look_s):
                        await self._news.wait()
                except TimeoutError:
                    continue
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _claim(self, lease_s: float) -> Job | None:
        try:
            return await self._rows.claim(lease_s)
        except Unavailable:
            return None  # the database is away: looked at again in a moment

    async def _work(
        self, job: Job, ask_of: AskForJob, may_still: MayStill, webhook: Webhook | None, look_s: float, lease_s: float
    ) -> None:
        at = [0, 0]

        async def tell(done: int, total: int) -> None:
            at[:] = [done, total]

        if job.state == "cancelling":
            await self._rows.end(job.id, job.tries, "cancelled")
            return
        doing = asyncio.ensure_future(self._do(job, ask_of, may_still, tell))
        try:
            while not doing.done():
                await asyncio.wait({doing}, timeout=look_s)
                state = await self._rows.renew(job.id, job.tries, lease_s, *at)
                if not doing.done() and state != "running":
                    doing.cancel()
                    await asyncio.gather(doing, return_exceptions=True)
                    await self._rows.end(job.id, job.tries, "cancelled")
                    return
            await self._finish(job, doing, webhook)
        except asyncio.CancelledError:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            await asyncio.shield(self._rows.end(job.id, job.tries, "queued"))
            raise
        except Unavailable:
            doing.cancel()  # the lease runs out, and somebody takes it up again
            await asyncio.gather(doing, return_exceptions=True)

    async def _finish(self, job: Job, doing: asyncio.Future[dict[str, Any]], webhook: Webhook | None) -> None:
        error = doing.exception()
        if error is None:
            await self._rows.end(job.id, job.tries, "done", result=doing.result())
        else:
            if not isinstance(error, DoorwardError):
                _log.error("job %s failed inside", job.id, exc_info=error)
                error = DoorwardError("Doorward failed inside. The log has the cause under this job's id.")
            shape = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
            await self._rows.end(job.id, job.tries, "failed", error=shape)
        if webhook is not None:
            await webhook.send("job.finished", {"id": job.id, "kind": job.kind, "state": "done" if error is None else "failed"})

    async def _do(self, job: Job, ask_of: AskForJob, may_still: MayStill, tell: Progress) -> dict[str, Any]:
        if job.tries > MOST_TRIES:
            raise Unavailable(f"This job was interrupted {MOST_TRIES} times and is not tried again.", code="job_interrupted")
        if not await may_still(job.caller):
            raise NotFound("The key or session that made this job is no longer valid.", code="not_allowed_any_more")
        ask, wish, owner = ask_of(job.caller, f"{job.id}-{job.tries}"), job.wish, job.owner
        if job.kind == "summarize":
            made = await self._summarizer.summarize(
                ask, owner, wish["text"], mode=wish["mode"], model=wish["model"], fresh=wish["fresh"], progress=tell
            )
            return asdict(made)
        if job.kind == "classify":
            labels = await self._classifier.labels(wish["categories"], wish["set"])
            found = await self._classifier.many(
                ask, wish["texts"], labels, several=wish["multi"], model=wish["model"], progress=tell
            )
            rows = [{"category": c, "confidence": s} for one in found for c, s in one.labels[:1]]
            labelled = [[{"category": c, "confidence": s} for c, s in one.labels] for one in found]
            return {"data": [{**row, "labels": labels} for row, labels in zip(rows, labelled, strict=True)]}
        collection = await self._searcher.find(owner, wish["collection"])
        given = [(one["id"], one["text"], one["metadata"]) for one in wish["documents"]]
        return {"ids": await self._searcher.add(ask, collection, given, tell)}


def has_ended(job: Job) -> bool:
    return job.state in ENDED

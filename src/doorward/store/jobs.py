"""Long work as rows: whose, what, how far. Who works on one says so again before its lease ends, by the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, and_, insert, or_, select, update

from doorward.core.caller import Caller
from doorward.store.engine import Store
from doorward.store.tables.apps import jobs
from doorward.store.tables.columns import database_now

State = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """`done` of `total` pieces. `error` is in OpenAI's shape, without the outer object."""

    id: str
    owner: str
    caller: Caller
    kind: str
    wish: dict[str, Any]
    state: State
    done: int
    total: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    tries: int
    created_at: float
    updated_at: float


class JobRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, job: Job) -> None:
        values = {name: getattr(job, name) for name in ("id", "owner", "kind", "state", "created_at", "updated_at")}
        values |= {"caller": _packed(job.caller), "wish": _packed(job.wish)}
        async with self._store.writing() as connection:
            await connection.execute(insert(jobs).values(**values))

    async def find(self, job_id: str, owner: str) -> Job | None:
        async with self._store.reading() as connection:
            row = (await connection.execute(select(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner))).one_or_none()
        return _job(row) if row else None

    async def of_owner(self, owner: str, limit: int) -> list[Job]:
        statement = select(jobs).where(jobs.c.owner == owner).order_by(jobs.c.created_at.desc()).limit(limit)
        async with self._store.reading() as connection:
            return [_job(row) for row in await connection.execute(statement)]

    async def unfinished(self, owner: str) -> int:
        mine = and_(jobs.c.owner == owner, jobs.c.state.not_in(ENDED))
        async with self._store.reading() as connection:
            return len((await connection.execute(select(jobs.c.id).where(mine))).all())

    async def claim(self, lease_s: float) -> Job | None:
        """The oldest that waits, or whose process has gone; counted as a try."""
        now = database_now()
        abandoned = and_(jobs.c.state.in_(("running", "cancelling")), jobs.c.until < now)
        free = or_(jobs.c.state == "queued", abandoned)
        oldest = select(jobs.c.id).where(free).order_by(jobs.c.created_at).limit(1)
        async with self._store.reading() as connection:
            found = (await connection.execute(oldest)).scalar()
        if found is None:
            return None
        async with self._store.writing() as connection:
            # asked again under the write lock: two processes may have seen the same row
            until = await self._store.now_s(connection) + lease_s
            taken = update(jobs).where(jobs.c.id == found, free).values(until=until, tries=jobs.c.tries + 1, done=0, total=0)
            row = (await connection.execute(taken.returning(jobs))).one_or_none()
            if row is None:
                return None
            if row.state == "queued":
                await connection.execute(update(jobs).where(jobs.c.id == found).values(state="running"))
        return _job(row)

    async def renew(self, job_id: str, tries: int, lease_s: float, done: int, total: int) -> State | None:
        """-> the state now; `None`: somebody else works on it."""
        mine = and_(jobs.c.id == job_id, jobs.c.tries == tries)
        async with self._store.writing() as connection:
            until = await self._store.now_s(connection) + lease_s
            values = {"until": until, "done": done, "total": total, "updated_at": database_now()}
            row = (await connection.execute(update(jobs).where(mine).values(**values).returning(jobs.c.state))).one_or_none()
        return row.state if row else None

    async def end(
        self, job_id: str, tries: int, state: State, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
    ) -> bool:
        """`queued` gives it back, for another process to take. Only who works on it may end it."""
        mine = and_(jobs.c.id == job_id, jobs.c.tries == tries, jobs.c.state.not_in(ENDED))
        values: dict[str, Any] = {"state": state, "until": 0.0, "updated_at": database_now()}
        values |= {
            "result": _packed(result) if result is not None else None,
            "error": _packed(error) if error is not None else None,
        }
        if state in ENDED:
            values["wish"] = "{}"  # a text of megabytes need not stay once it was worked on
        async with self._store.writing() as connection:
            return (await connection.execute(update(jobs).where(mine).values(**values))).rowcount == 1

    async def cancel(self, job_id: str, owner: str) -> bool:
        """What waits is cancelled at once; what runs, when its process hears of it. `False`: it had ended."""
        mine = and_(jobs.c.id == job_id, jobs.c.owner == owner)
        async with self._store.writing() as connection:
            waiting = update(jobs).where(mine, jobs.c.state == "queued").values(state="cancelled", updated_at=database_now())
            if (await connection.execute(waiting)).rowcount:
                return True
            running = update(jobs).where(mine, jobs.c.state.in_(("running", "cancelling"))).values(state="cancelling")
            return (await connection.execute(running)).rowcount == 1


def _packed(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _job(row: Row[Any]) -> Job:
    return Job(
        row.id,
        row.owner,
        msgspec.json.decode(row.caller, type=Caller),
        row.kind,
        msgspec.json.decode(row.wish),
        row.state,
        row.done,
        row.total,
        msgspec.json.decode(row.result) if row.result else None,
        msgspec.json.decode(row.error) if row.error else None,
        row.tries,
        row.created_at,
        row.updated_at,
    )

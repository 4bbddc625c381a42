"""Agents' runs, and each of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, insert, select, update

from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.apps import agent_runs, agent_steps

RunState = Literal["running", "waiting", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """`settings`: model, tools, what was spent; `answer`: the model's last word, or why it stopped."""

    id: str
    owner: str
    state: RunState
    messages: list[dict[str, Any]]
    settings: dict[str, Any]
    answer: str
    updated_at: float
    created_at: float


@dataclass(frozen=True, slots=True)
class Step:
    number: int
    kind: str
    details: dict[str, Any]


class Runs:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, run: Run, steps: list[Step]) -> None:
        """The run as it is now, and its new steps, in one transaction."""
        values = {name: getattr(run, name) for name in ("id", "owner", "state", "answer", "updated_at", "created_at")}
        values |= {"messages": _packed(run.messages), "settings": _packed(run.settings)}
        rows = [{"run_id": run.id, "number": s.number, "kind": s.kind, "details": _packed(s.details)} for s in steps]
        async with self._store.writing() as connection:
            await connection.execute(upsert(self._store.dialect, agent_runs, values))
            if rows:
                await connection.execute(insert(agent_steps), rows)

    async def find(self, run_id: str, owner: str) -> Run | None:
        statement = select(agent_runs).where(agent_runs.c.id == run_id, agent_runs.c.owner == owner)
        async with self._store.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return _run(row) if row else None

    async def take(self, run_id: str, owner: str) -> bool:
        """From `waiting` to `running` -> whether it was this caller who did it: an approval counts once."""
        mine = (agent_runs.c.id == run_id) & (agent_runs.c.owner == owner) & (agent_runs.c.state == "waiting")
        async with self._store.writing() as connection:
            return (await connection.execute(update(agent_runs).where(mine).values(state="running"))).rowcount == 1

    async def steps(self, run_id: str) -> list[Step]:
        statement = select(agent_steps).where(agent_steps.c.run_id == run_id).order_by(agent_steps.c.number)
        async with self._store.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [Step(row.number, row.kind, msgspec.json.decode(row.details)) for row in rows]


def _packed(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _run(row: Row[Any]) -> Run:
    messages, settings = msgspec.json.decode(row.messages), msgspec.json.decode(row.settings)
    return Run(row.id, row.owner, row.state, messages, settings, row.answer, row.updated_at, row.created_at)

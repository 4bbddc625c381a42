"""The operator's own prompts, every version kept; and named sets of labels. Both are there for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, insert, select

from doorward.store.engine import Store
from doorward.store.insert import upsert
from doorward.store.tables.apps import label_sets, prompts
from doorward.store.tables.columns import database_now


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    version: int
    text: str
    created_at: float


class Prompts:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, name: str, version: int | None = None) -> Prompt | None:
        """`version` `None`: the newest."""
        statement = select(prompts).where(prompts.c.name == name)
        if version is not None:
            statement = statement.where(prompts.c.version == version)
        async with self._store.reading() as connection:
            row = (await connection.execute(statement.order_by(prompts.c.version.desc()).limit(1))).first()
        return _prompt(row) if row else None

    async def versions(self, name: str | None = None) -> list[Prompt]:
        """The newest version of every name; of one name, all its versions, the newest first."""
        newest = select(prompts.c.name, func.max(prompts.c.version).label("version")).group_by(prompts.c.name).subquery()
        if name is not None:
            statement = select(prompts).where(prompts.c.name == name).order_by(prompts.c.version.desc())
        else:
            same = (prompts.c.name == newest.c.name) & (prompts.c.version == newest.c.version)
            statement = select(prompts).join(newest, same).order_by(prompts.c.name)
        async with self._store.reading() as connection:
            return [_prompt(row) for row in await connection.execute(statement)]

    async def add(self, name: str, text: str) -> Prompt:
        """A new version."""
        highest = select(func.coalesce(func.max(prompts.c.version), 0)).where(prompts.c.name == name)
        async with self._store.writing() as connection:
            version = (await connection.execute(highest)).scalar_one() + 1
            values = {"name": name, "version": version, "text": text}
            row = (await connection.execute(insert(prompts).values(**values).returning(prompts))).one()
        return _prompt(row)

    async def remove(self, name: str) -> bool:
        async with self._store.writing() as connection:
            return (await connection.execute(delete(prompts).where(prompts.c.name == name))).rowcount > 0

    async def labels(self, name: str) -> list[str] | None:
        async with self._store.reading() as connection:
            found = (await connection.execute(select(label_sets.c.labels).where(label_sets.c.name == name))).scalar()
        return msgspec.json.decode(found, type=list[str]) if found is not None else None

    async def label_sets(self) -> dict[str, list[str]]:
        async with self._store.reading() as connection:
            rows = (await connection.execute(select(label_sets).order_by(label_sets.c.name))).all()
        return {row.name: msgspec.json.decode(row.labels, type=list[str]) for row in rows}

    async def set_labels(self, name: str, labels: list[str]) -> None:
        values = {"name": name, "labels": msgspec.json.encode(labels).decode(), "created_at": database_now()}
        async with self._store.writing() as connection:
            await connection.execute(upsert(self._store.dialect, label_sets, values))

    async def remove_labels(self, name: str) -> bool:
        async with self._store.writing() as connection:
            return (await connection.execute(delete(label_sets).where(label_sets.c.name == name))).rowcount == 1


def _prompt(row: Row[Any]) -> Prompt:
    return Prompt(row.name, row.version, row.text, row.created_at)

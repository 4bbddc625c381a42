"""A change and its audit row are one transaction: both stand, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.audit.chain import Audit
from doorward.store.engine import Store
from doorward.store.notes import Notes


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    postgres = request.param == "postgresql"
    opened = await Store.open(request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}/doorward.db")
    yield opened
    await opened.close()


async def rows(store: Store) -> list[str]:
    return [row.action for row in await Audit(store).page()]


async def test_the_first_change_in_the_block_carries_the_row_once(store: Store) -> None:
    with Audit(store).beside("operator", "note.set", "note:a") as row:
        assert not row.done
        await Notes(store).set("a", "1")
        assert row.done
        await Notes(store).set("a", "2")
    await Notes(store).set("a", "3")
    assert await rows(store) == ["note.set"]


async def test_a_change_that_is_undone_has_no_row(store: Store) -> None:
    async def failing() -> None:
        async with store.writing() as connection:
            await Notes(store).set("a", "1", connection)
            raise RuntimeError("the change failed")

    with Audit(store).beside("operator", "note.set") as row:
        with pytest.raises(RuntimeError):
            await failing()
    assert (await Notes(store).get("a"), await rows(store), row.done) == (None, [], False)


async def test_a_change_whose_row_cannot_be_written_is_undone(store: Store) -> None:
    async def testify(connection: AsyncConnection) -> None:
        raise RuntimeError("no room for the row")

    with pytest.raises(RuntimeError), store.witnessed(testify):
        await Notes(store).set("a", "1")
    assert await Notes(store).get("a") is None


async def test_what_a_task_beside_it_writes_is_another_matter(store: Store) -> None:
    with Audit(store).beside("operator", "note.set") as row:
        await asyncio.create_task(Notes(store).set("b", "1"))
        assert not row.done
        await Notes(store).set("a", "1")
    assert await rows(store) == ["note.set"]

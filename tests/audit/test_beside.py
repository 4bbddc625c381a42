"""A change and its audit row are one transaction: both stand, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.audit.chain import Audit
from doorward.core.errors import NotFound
from doorward.store.accounts import Accounts
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
    async def testify(connection: AsyncConnection, touched: Sequence[str]) -> bool:
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


async def test_a_row_for_each_thing_that_was_changed_and_none_for_what_was_only_looked_at(store: Store) -> None:
    accounts = Accounts(store)
    with Audit(store).beside_each("operator", "account.add") as row:
        await Notes(store).set("a", "1")  # nobody's thing: this transaction is not the one
        assert not row.done
        async with store.writing() as connection:
            one = await accounts.add("openai", "one", within=connection)
            two = await accounts.add("openai", "two", within=connection)
            await accounts.mark_key_set(one.id, 1.0, within=connection)
        assert row.done
    found = [(row.action, row.target) for row in await Audit(store).page()]
    assert found == [("account.add", f"account:{two.id}"), ("account.add", f"account:{one.id}")]


async def test_what_an_undone_change_touched_is_forgotten(store: Store) -> None:
    accounts = Accounts(store)

    async def failing() -> None:
        async with store.writing() as connection:
            await accounts.add("openai", "one", within=connection)
            await accounts.add("nowhere", "two", within=connection)

    with Audit(store).beside_each("operator", "account.add"):
        with pytest.raises(NotFound):
            await failing()
        two = await accounts.add("openai", "two")
    assert [row.target for row in await Audit(store).page()] == [f"account:{two.id}"]


async def test_without_a_target_the_row_names_what_was_touched(store: Store) -> None:
    with Audit(store).beside("operator", "POST /api/v1/accounts"):
        made = await Accounts(store).add("openai", "one")
    assert [row.target for row in await Audit(store).page()] == [f"account:{made.id}"]

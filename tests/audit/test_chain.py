"""The audit chain: every change to it shows, people can be erased from it, and it holds no secret."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from doorward.audit.chain import GENESIS, Audit, canonical
from doorward.core.caller import Caller
from doorward.store.engine import Store
from doorward.store.tables.identity import audit_people, audit_rows

ANN = Caller(owner="user:ann", draws_on=frozenset(), scopes=frozenset(), user_id="ann", label="ann@example.com")


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'audit.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = await Store.open(url)
    yield opened
    await opened.close()


async def some_rows(audit: Audit, many: int = 5) -> None:
    for number in range(many):
        await audit.append(ANN, "key.set", f"account:{number}", from_addr="192.0.2.1", details={"number": number})


async def test_a_whole_chain_verifies_and_an_empty_one_too(store: Store) -> None:
    audit = Audit(store)
    assert (await audit.verify()).head == GENESIS
    await some_rows(audit)
    verdict = await audit.verify()
    assert (verdict.rows, verdict.broken_at) == (5, None)
    await some_rows(audit)
    later = await audit.verify(verdict.head)
    assert later.saw_anchor
    assert later.rows == 10


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1.0},
        {"actor": "operator"},
        {"action": "key.clear"},
        {"target": "account:9"},
        {"details": "{}"},
        {"from_addr": "192.0.2.99"},
        {"from_mark": ""},
        {"previous": "0" * 64},
        {"hash": "0" * 64},
    ],
)
async def test_any_changed_column_shows(store: Store, change: dict[str, Any]) -> None:
    audit = Audit(store)
    await some_rows(audit)
    async with store.writing() as connection:
        await connection.execute(update(audit_rows).where(audit_rows.c.number == 3).values(change))
    verdict = await audit.verify()
    assert verdict.broken_at in (3, 4)
    assert verdict.why


async def test_a_row_that_was_forged_with_its_hash_breaks_from_the_next(store: Store) -> None:
    audit = Audit(store)
    await some_rows(audit)
    async with store.writing() as connection:
        found = (await connection.execute(audit_rows.select().where(audit_rows.c.number == 3))).mappings().one()
        covered = ("number", "at", "actor", "action", "target", "details", "from_mark", "previous")
        forged = {name: found[name] for name in covered} | {"target": "account:elsewhere"}
        right = hashlib.sha256(canonical(forged).encode()).hexdigest()
        change = {"target": "account:elsewhere", "hash": right}
        await connection.execute(update(audit_rows).where(audit_rows.c.number == 3).values(change))
    verdict = await audit.verify()
    assert (verdict.broken_at, verdict.why) == (4, "it does not follow from the row before")


async def test_a_row_taken_out_shows_and_a_cut_end_by_its_head(store: Store) -> None:
    audit = Audit(store)
    await some_rows(audit)
    head = (await audit.verify()).head
    async with store.writing() as connection:
        await connection.execute(delete(audit_rows).where(audit_rows.c.number == 5))
    assert (await audit.verify()).broken_at is None
    assert not (await audit.verify(head)).saw_anchor
    async with store.writing() as connection:
        await connection.execute(delete(audit_rows).where(audit_rows.c.number == 2))
    verdict = await audit.verify()
    assert (verdict.broken_at, verdict.rows, verdict.why) == (3, 1, "row 2 is missing")


async def test_parallel_appends_make_one_chain(store: Store) -> None:
    audit = Audit(store)
    await asyncio.gather(*(some_rows(audit, 3) for _ in range(15)))
    verdict = await audit.verify()
    assert (verdict.rows, verdict.broken_at) == (45, None)


async def test_a_change_undone_leaves_no_row(store: Store) -> None:
    audit = Audit(store)

    async def undone() -> None:
        async with store.writing() as connection:
            await audit.append("operator", "user.add", within=connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert (await audit.verify()).rows == 0


async def test_erasing_somebody_keeps_the_chain_whole_and_names_nobody(store: Store) -> None:
    audit = Audit(store)
    await some_rows(audit)
    await audit.append("operator", "user.role", "user:ann", from_addr="198.51.100.7")
    head = (await audit.verify()).head
    async with store.writing() as connection:
        assert await audit.forget("ann", connection) == 6
    verdict = await audit.verify(head)
    assert (verdict.broken_at, verdict.saw_anchor) == (None, True)
    assert await audit.page(user_id="ann") == []
    async with store.reading() as connection:
        kept = str((await connection.execute(text("SELECT * FROM audit_rows"))).all())
        people = (await connection.execute(audit_people.select())).all()
    assert people == []
    for trace in ("ann", "192.0.2.1", "198.51.100.7"):
        assert trace not in kept
    async with store.writing() as connection:  # nor does an address come back by hand
        await connection.execute(update(audit_rows).values(from_addr="192.0.2.1", from_salt=""))
    assert (await audit.verify()).broken_at == 1


async def test_what_looks_like_a_key_never_gets_in(store: Store) -> None:
    audit = Audit(store)
    leaks = {"note": "used sk-proj-AbCdEfGhIjKlMnOpQrSt here", "list": ["dw-abcdefghjkmnpqrs-" + "x" * 43], "n": 3, "flag": True}
    await audit.append("operator", "oops", "sk-AbCdEfGhIjKlMnOpQrStUv", details=leaks)
    [row] = await audit.page()
    assert "AbCdEf" not in str(row)
    assert "xxxx" not in str(row)
    assert row.details == '{"flag":true,"list":["***"],"n":3,"note":"used *** here"}'

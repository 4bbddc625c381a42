"""The audit chain's rows, and the names behind its pseudonyms.

Appending is serial in every database, for each row holds the hash of the one before. An erased
user's pseudonym stays in the chain; what could lead back from it (salt, addresses) is deleted.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.engine import Store
from doorward.store.tables.identity import audit_people, audit_rows, users

CHAIN_LOCK = 0x6175646974
BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """`actor` and `target` name people by pseudonym. `details` is canonical JSON. `at` is unix seconds, database clock.

    `from_mark` is the salted hash of `from_addr` that the chain covers; address and salt may be erased.
    """

    number: int
    at: float
    actor: str
    action: str
    target: str
    details: str
    from_mark: str
    from_addr: str | None
    from_salt: str | None
    previous: str
    hash: str


class AuditRows:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, make: Callable[[AuditRow | None, float], AuditRow], within: AsyncConnection | None = None) -> AuditRow:
        """`make` gets the last row (`None`: there is none) and the database's time, and returns the next."""
        async with self._store.writing(within) as connection:
            if self._store.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})
            last = (await connection.execute(select(audit_rows).order_by(audit_rows.c.number.desc()).limit(1))).mappings().first()
            row = make(AuditRow(**last) if last is not None else None, await self._store.now_s(connection))
            await connection.execute(insert(audit_rows).values(asdict(row)))
        return row

    async def every(self) -> AsyncIterator[AuditRow]:
        """From the first to the last, a batch at a time."""
        number = 0
        while True:
            query = select(audit_rows).where(audit_rows.c.number > number).order_by(audit_rows.c.number).limit(BATCH_ROWS)
            async with self._store.reading() as connection:
                batch = [AuditRow(**row) for row in (await connection.execute(query)).mappings()]
            for row in batch:
                yield row
            if len(batch) < BATCH_ROWS:
                return
            number = batch[-1].number

    async def newest(
        self, *, before: int | None = None, limit: int = 50, about: str | None = None, action: str | None = None
    ) -> list[AuditRow]:
        """A page, newest first; `about`: an actor or target."""
        query = select(audit_rows).order_by(audit_rows.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit_rows.c.number < before)
        if about is not None:
            query = query.where((audit_rows.c.actor == about) | (audit_rows.c.target == about))
        if action is not None:
            query = query.where(audit_rows.c.action == action)
        async with self._store.reading() as connection:
            return [AuditRow(**row) for row in (await connection.execute(query)).mappings()]

    async def pseudonym(self, user_id: str, within: AsyncConnection) -> str:
        """The name of a user in the chain; made at first use."""
        query = select(audit_people.c.pseudonym).where(audit_people.c.user_id == user_id)
        known = (await within.execute(query)).scalar()
        if known is not None:
            return str(known)
        salt = secrets.token_hex(16)
        made = hashlib.sha256(f"{salt}:{user_id}".encode()).hexdigest()[:20]
        try:
            async with within.begin_nested():
                await within.execute(insert(audit_people).values(user_id=user_id, pseudonym=made, salt=salt))
        except IntegrityError:  # another process was first
            return str((await within.execute(query)).scalar_one())
        return made

    async def pseudonym_of(self, user_id: str) -> str | None:
        async with self._store.reading() as connection:
            found = await connection.execute(select(audit_people.c.pseudonym).where(audit_people.c.user_id == user_id))
            return found.scalar()

    async def names(self) -> dict[str, str]:
        """Pseudonym -> e-mail, of the users that are still there."""
        query = select(audit_people.c.pseudonym, users.c.email).join(users, users.c.id == audit_people.c.user_id)
        async with self._store.reading() as connection:
            return {row.pseudonym: row.email for row in await connection.execute(query)}

    async def forget(self, user_id: str, within: AsyncConnection) -> int:
        """Nobody can tell any more who the pseudonym was, nor from where they came -> rows that lost an address."""
        query = delete(audit_people).where(audit_people.c.user_id == user_id).returning(audit_people.c.pseudonym)
        pseudonym = (await within.execute(query)).scalar()
        if pseudonym is None:
            return 0
        person = f"person:{pseudonym}"
        rows = update(audit_rows).where((audit_rows.c.actor == person) | (audit_rows.c.target == person))
        return (await within.execute(rows.values(from_addr=None, from_salt=None))).rowcount

    async def count(self) -> int:
        async with self._store.reading() as connection:
            return int((await connection.execute(select(func.count()).select_from(audit_rows))).scalar_one())

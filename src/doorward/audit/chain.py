"""Who did what, when, from where: a chain in which no row can be changed, taken out or put in unseen.

Each row's hash covers the row and the hash of the one before. `verify` walks it all; the last hash
that it reports, written down elsewhere, also shows a chain that was cut at its end or made anew.
People stand in it as pseudonyms, so that one can be erased without breaking it. No secret gets in:
what looks like a key is refused by replacing it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.caller import OPERATOR, Caller
from doorward.store.audit import AuditRow, AuditRows
from doorward.store.engine import Store
from doorward.store.witness import Witness

GENESIS = "0" * 64
_LOOKS_LIKE_A_KEY = re.compile(r"(sk|dw|pk|rk|whsec)-?[A-Za-z0-9_-]{16,}")
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken_at` is the number of the first row that does not fit, `None` = all do; `head` is the last good hash."""

    rows: int
    head: str
    broken_at: int | None = None
    why: str = ""
    saw_anchor: bool = True
    """The hash that was asked for stands in the chain."""


class Audit:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = AuditRows(store)

    async def append(
        self,
        actor: Caller | str,
        action: str,
        target: str = "",
        *,
        from_addr: str = "",
        details: Mapping[str, Any] | None = None,
        within: AsyncConnection | None = None,
    ) -> None:
        """`actor`: a caller, or ``operator``, ``user:<id>``, ``anonymous``. `target` likewise, or ``key:<id>``, ``account:<id>``.

        With `within` the row stands or falls with the change that it tells of.
        """
        facts = {key: _clean(value) for key, value in (details or {}).items()}
        if isinstance(actor, Caller) and actor.key_id is not None and actor.user_id is not None:
            facts["by_key"] = actor.key_id
        async with self._store.writing(within) as connection:
            who = await self._spoken(_name(actor), connection)
            whom = await self._spoken(target, connection)
            salt = secrets.token_hex(16) if from_addr else None

            def make(last: AuditRow | None, now: float) -> AuditRow:
                row = AuditRow(
                    number=(last.number if last else 0) + 1,
                    at=round(now, 3),
                    actor=who,
                    action=action,
                    target=_clean(whom),
                    details=canonical(facts),
                    from_mark=_mark(salt, from_addr) if salt else "",
                    from_addr=from_addr or None,
                    from_salt=salt,
                    previous=last.hash if last else GENESIS,
                    hash="",
                )
                return _sealed(row)

            await self._rows.append(make, connection)

    @contextmanager
    def beside(self, actor: Caller | str, action: str, target: str = "", *, from_addr: str = "") -> Iterator[Witness]:
        """The row of the change that is made inside the block, in the same transaction; `done` tells whether there was one.

        Without a `target` it is what the change touched.
        """

        async def testify(connection: AsyncConnection, touched: Sequence[str]) -> bool:
            await self.append(actor, action, target or ",".join(touched), from_addr=from_addr, within=connection)
            return True

        with self._store.witnessed(testify) as witness:
            yield witness

    @contextmanager
    def beside_each(self, actor: Caller | str, action: str) -> Iterator[Witness]:
        """A row for each thing that the change inside the block touches, in the same transaction; none if it touches nothing."""

        async def testify(connection: AsyncConnection, touched: Sequence[str]) -> bool:
            for target in touched:
                await self.append(actor, action, target, within=connection)
            return bool(touched)

        with self._store.witnessed(testify) as witness:
            yield witness

    async def verify(self, anchor: str | None = None) -> Verdict:
        """Walk the chain from its first row. `anchor`: a hash noted earlier, which must still be in it."""
        head, count, seen = GENESIS, 0, anchor is None or anchor == GENESIS
        async for row in self._rows.every():
            why = _fault(row, count + 1, head)
            if why:
                return Verdict(count, head, row.number, why, seen)
            head, count = row.hash, count + 1
            seen = seen or row.hash == anchor
        return Verdict(count, head, saw_anchor=seen)

    async def page(
        self, *, before: int | None = None, limit: int = 50, user_id: str | None = None, action: str | None = None
    ) -> list[AuditRow]:
        """Newest first, people by e-mail where they are still there. `user_id`: only rows about them."""
        about: str | None = None
        if user_id is not None:
            pseudonym = await self._rows.pseudonym_of(user_id)
            if pseudonym is None:
                return []
            about = f"person:{pseudonym}"
        names = await self._rows.names()
        return [_named(row, names) for row in await self._rows.newest(before=before, limit=limit, about=about, action=action)]

    async def forget(self, user_id: str, within: AsyncConnection) -> int:
        """Erase who a user was, and keep the chain whole -> rows that lost an address."""
        return await self._rows.forget(user_id, within)

    async def _spoken(self, name: str, connection: AsyncConnection) -> str:
        if name.startswith("user:"):
            return f"person:{await self._rows.pseudonym(name.removeprefix('user:'), connection)}"
        return name


def canonical(value: Mapping[str, Any]) -> str:
    """One spelling for one content: keys in order, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _content(row: AuditRow) -> bytes:
    covered = ("number", "at", "actor", "action", "target", "details", "from_mark", "previous")
    return canonical({name: getattr(row, name) for name in covered}).encode()


def _sealed(row: AuditRow) -> AuditRow:
    values = {name: getattr(row, name) for name in AuditRow.__dataclass_fields__}
    return AuditRow(**(values | {"hash": hashlib.sha256(_content(row)).hexdigest()}))


def _fault(row: AuditRow, number: int, previous: str) -> str:
    if row.number != number:
        return f"row {number} is missing"
    if row.previous != previous:
        return "it does not follow from the row before"
    if row.hash != hashlib.sha256(_content(row)).hexdigest():
        return "its content was changed"
    if row.from_addr is not None and row.from_mark != _mark(row.from_salt or "", row.from_addr):
        return "its address was changed"
    return ""


def _mark(salt: str, from_addr: str) -> str:
    return hashlib.sha256(f"{salt}:{from_addr}".encode()).hexdigest()


def _name(actor: Caller | str) -> str:
    if isinstance(actor, str):
        return actor
    if actor.user_id is not None:
        return f"user:{actor.user_id}"
    return f"key:{actor.key_id}" if actor.key_id is not None else actor.owner or OPERATOR


def _clean(value: Any) -> Any:
    """Text without anything that looks like a key, and not too long; numbers and truth values as they are."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item) for item in sorted(map(str, value))]
    return _LOOKS_LIKE_A_KEY.sub("***", str(value))[:MAX_TEXT]


def _named(row: AuditRow, names: Mapping[str, str]) -> AuditRow:
    def name(person: str) -> str:
        return names.get(person.removeprefix("person:"), person) if person.startswith("person:") else person

    values = {field: getattr(row, field) for field in AuditRow.__dataclass_fields__}
    return AuditRow(**(values | {"actor": name(row.actor), "target": name(row.target)}))

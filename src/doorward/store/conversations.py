"""Conversations and their messages, each query with its owner. A message knows its parent, so edits and retries are siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, insert, or_, select, text, update

from doorward.store.branches import BELOW, CHAIN, DEPTH, MOST_CHAIN
from doorward.store.engine import Store
from doorward.store.insert import insert as insert_or
from doorward.store.tables.apps import conversations, messages


@dataclass(frozen=True, slots=True)
class Conversation:
    """Times are unix seconds. `system` is the prompt's text, filled in; `leaf_id` the newest message of the branch shown."""

    id: str
    owner: str
    title: str
    model: str
    prompt: str | None
    system: str
    leaf_id: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Message:
    """`parts`: content parts, when it is not plain text; `text` then holds what can be read of them."""

    id: str
    parent_id: str | None
    role: str
    text: str
    tokens: int
    parts: list[dict[str, Any]] | None = None
    model: str | None = None
    stopped: bool = False
    call_id: str | None = None
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    conversation_id: str
    title: str
    message_id: str
    role: str
    excerpt: str
    created_at: float


_EXCERPT_CHARS = 240
_MINE = select(conversations).where(conversations.c.id == bindparam("id_"), conversations.c.owner == bindparam("owner_"))
"""Built once: every message of a conversation begins with it."""


class Conversations:
    def __init__(self, store: Store) -> None:
        self._store = store
        changed: dict[str, Any] = {name: bindparam(name) for name in ("model", "prompt", "system", "leaf_id", "updated_at")}
        mine = and_(conversations.c.id == bindparam("id_"), conversations.c.owner == bindparam("owner_"))
        # looked at under the write lock: nothing is hung onto what was deleted meanwhile, nor onto another owner's
        self._go_on = store.prepared(update(conversations).where(mine).values(changed))
        begin = insert_or(store.dialect, conversations)
        same = {name: begin.excluded[name] for name in changed}
        begun = begin.on_conflict_do_update(index_elements=["id"], set_=same, where=conversations.c.owner == begin.excluded.owner)
        self._begin = store.prepared(begun, *(column.name for column in conversations.columns))
        names = (column.name for column in messages.columns if column is not messages.c.number)
        self._say = store.prepared(insert(messages).inline(), *names)

    async def find(self, conversation_id: str, owner: str) -> Conversation | None:
        async with self._store.reading() as connection:
            row = (await connection.execute(_MINE, {"id_": conversation_id, "owner_": owner})).one_or_none()
        return _conversation(row) if row else None

    async def of_owner(self, owner: str, limit: int, before: Conversation | None = None) -> list[Conversation]:
        """The one used last first, a page at a time."""
        statement = select(conversations).where(conversations.c.owner == owner)
        if before is not None:
            older = conversations.c.updated_at < before.updated_at
            same = and_(conversations.c.updated_at == before.updated_at, conversations.c.id < before.id)
            statement = statement.where(or_(older, same))
        statement = statement.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()).limit(limit)
        async with self._store.reading() as connection:
            return [_conversation(row) for row in await connection.execute(statement)]

    async def append(self, conversation: Conversation, added: Sequence[Message]) -> bool:
        """The messages, and the conversation if it is new, in one transaction -> `False`: it was deleted meanwhile."""
        now = {column.name: getattr(conversation, column.name) for column in conversations.columns}
        now |= {"leaf_id": added[-1].id, "id_": conversation.id, "owner_": conversation.owner}
        first = self._begin if conversation.leaf_id is None else self._go_on
        rows = [_row(message, conversation.id) for message in added]
        return await self._store.write(first.of(now, needs_row=True), self._say.rows(rows))

    async def chain(self, conversation_id: str, leaf_id: str | None, limit: int = MOST_CHAIN) -> list[Message]:
        """From the leaf towards the root, in the order of speaking; the newest `limit`."""
        if leaf_id is None:
            return []
        given = {"conversation_id": conversation_id, "leaf_id": leaf_id, "deepest": limit - 1}
        async with self._store.reading() as connection:
            rows = (await connection.execute(CHAIN, given)).all()
        return [_message(row) for row in rows]

    async def siblings(self, conversation_id: str, parent_ids: Sequence[str | None]) -> dict[str | None, list[str]]:
        """Parent -> its children in the order they were written; of the parents given."""
        named = [parent for parent in parent_ids if parent is not None]
        wanted: ColumnElement[bool] = messages.c.parent_id.in_(named)
        if len(named) < len(parent_ids):
            wanted = or_(wanted, messages.c.parent_id.is_(None))
        statement = select(messages.c.id, messages.c.parent_id).where(messages.c.conversation_id == conversation_id, wanted)
        found: dict[str | None, list[str]] = {}
        async with self._store.reading() as connection:
            for row in await connection.execute(statement.order_by(messages.c.number)):
                found.setdefault(row.parent_id, []).append(row.id)
        return found

    async def all_messages(self, conversation_id: str) -> list[Message]:
        """Every branch, oldest first: for the export."""
        statement = select(messages).where(messages.c.conversation_id == conversation_id).order_by(messages.c.number)
        async with self._store.reading() as connection:
            return [_message(row) for row in await connection.execute(statement)]

    async def message(self, conversation_id: str, message_id: str) -> Message | None:
        statement = select(messages).where(messages.c.conversation_id == conversation_id, messages.c.id == message_id)
        async with self._store.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return _message(row) if row else None

    async def length(self, conversation_id: str, leaf_id: str | None, since_id: str) -> int:
        """Messages of a branch from one of them to the leaf -> 0: it is not on that branch."""
        given = {"conversation_id": conversation_id, "leaf_id": leaf_id, "since_id": since_id}
        async with self._store.reading() as connection:
            row = (await connection.execute(DEPTH, given)).one_or_none()
        return row.depth + 1 if row else 0

    async def newest_below(self, conversation_id: str, message_id: str) -> str:
        """The end of the branch through a message that was written last; itself, if nothing follows it."""
        async with self._store.reading() as connection:
            row = (await connection.execute(BELOW, {"conversation_id": conversation_id, "top_id": message_id})).one_or_none()
        return str(row.id) if row else message_id

    async def rewrite(self, conversation_id: str, message: Message, was: list[dict[str, Any]] | None = None) -> bool:
        """An answer as it is now -> `False`: it is gone, or, where `was` is given, its parts are no longer those."""
        mine = and_(messages.c.id == message.id, messages.c.conversation_id == conversation_id)
        if was is not None:
            mine = and_(mine, messages.c.parts == _packed(was))
        names = ("text", "tokens", "model", "stopped", "call_id")
        changes = {name: getattr(message, name) for name in names} | {"parts": _packed(message.parts)}
        async with self._store.writing() as connection:
            return (await connection.execute(update(messages).where(mine).values(**changes))).rowcount == 1

    async def change(self, conversation_id: str, owner: str, **changes: str | None) -> bool:
        """`title`, `model`, `leaf_id`."""
        mine = and_(conversations.c.id == conversation_id, conversations.c.owner == owner)
        async with self._store.writing() as connection:
            return (await connection.execute(update(conversations).where(mine).values(**changes))).rowcount == 1

    async def remove(self, conversation_id: str, owner: str) -> bool:
        mine = and_(conversations.c.id == conversation_id, conversations.c.owner == owner)
        async with self._store.writing() as connection:
            return (await connection.execute(delete(conversations).where(mine))).rowcount == 1

    async def search(self, owner: str, words: str, limit: int) -> list[Found]:
        """Messages that hold all the words, the newest first."""
        statement = select(messages, conversations.c.title).join(conversations, conversations.c.id == messages.c.conversation_id)
        statement = statement.where(conversations.c.owner == owner, holds("messages", self._store.dialect))
        statement = statement.order_by(messages.c.number.desc()).limit(limit)
        async with self._store.reading() as connection:
            rows = (await connection.execute(statement, {"words": spoken(words, self._store.dialect)})).all()
        return [Found(row.conversation_id, row.title, row.id, row.role, _around(row.text, words), row.created_at) for row in rows]


def holds(table: str, dialect: str) -> Any:
    """The condition "its text holds `:words`", on the index that the migration made. `table` is one of ours."""
    if dialect == "postgresql":
        return text(f"to_tsvector('simple', {table}.text) @@ plainto_tsquery('simple', :words)")
    return text(f"{table}.number IN (SELECT rowid FROM {table}_fts WHERE {table}_fts MATCH :words)")  # noqa: S608 - a table of ours


def spoken(words: str, dialect: str, *, any_word: bool = False) -> str:
    """What people typed as a query: each word a phrase of its own, so that no sign in it is read as an operator."""
    if dialect == "postgresql":
        return words
    phrases = ['"' + word.replace('"', '""') + '"' for word in words.replace("\x00", " ").split()]
    return (" OR " if any_word else " ").join(phrases) or '""'


def _around(text: str, words: str) -> str:
    at = min((found for word in words.split() if (found := text.lower().find(word.lower())) >= 0), default=0)
    start = max(0, at - _EXCERPT_CHARS // 3)
    piece = text[start : start + _EXCERPT_CHARS]
    return ("…" if start else "") + piece + ("…" if start + _EXCERPT_CHARS < len(text) else "")


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        row.id, row.owner, row.title, row.model, row.prompt, row.system, row.leaf_id, row.created_at, row.updated_at
    )


def _message(row: Row[Any]) -> Message:
    parts = msgspec.json.decode(row.parts) if row.parts else None
    return Message(
        row.id, row.parent_id, row.role, row.text, row.tokens, parts, row.model, row.stopped, row.call_id, row.created_at
    )


def _row(message: Message, conversation_id: str) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    m = message
    place = (m.id, conversation_id, m.parent_id)
    return (*place, m.role, m.text, _packed(m.parts), m.model, m.tokens, m.stopped, m.call_id, m.created_at)


def _packed(parts: list[dict[str, Any]] | None) -> str | None:
    return msgspec.json.encode(parts).decode() if parts is not None else None

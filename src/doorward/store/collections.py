"""Collections of documents, and vectors of texts by the hash of their content. Every query carries its owner or its collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, and_, bindparam, delete, func, insert, select, text, update

from doorward.core.errors import Conflict
from doorward.store.conversations import spoken
from doorward.store.engine import Store
from doorward.store.insert import insert as insert_or
from doorward.store.tables.apps import collections, documents, embeddings

_BATCH = 500
"""Rows of one statement: SQLite takes 32,766 variables."""
_KNOWN = select(embeddings.c.digest, embeddings.c.vector).where(
    embeddings.c.owner == bindparam("by"),
    embeddings.c.model == bindparam("of"),
    embeddings.c.digest.in_(bindparam("digests", expanding=True)),
)


@dataclass(frozen=True, slots=True)
class Collection:
    id: str
    owner: str
    name: str
    model: str
    changes: int
    """Counted up by every change."""
    created_at: float


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    text: str
    metadata: dict[str, Any]
    digest: str


class Collections:
    def __init__(self, store: Store) -> None:
        self._store = store
        added = insert_or(store.dialect, embeddings).on_conflict_do_nothing()
        self._keep = store.prepared(added, "owner", "model", "digest", "vector")

    async def add(self, collection_id: str, owner: str, name: str, model: str) -> Collection:
        """Raises `Conflict` when the owner has one of that name."""
        values = {"id": collection_id, "owner": owner, "name": name, "model": model}
        statement = insert_or(self._store.dialect, collections).values(**values).on_conflict_do_nothing().returning(collections)
        async with self._store.writing() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            raise Conflict("There is a collection of that name already.", param="name")
        return _collection(row)

    async def find(self, owner: str, name: str) -> Collection | None:
        statement = select(collections).where(collections.c.owner == owner, collections.c.name == name)
        async with self._store.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return _collection(row) if row else None

    async def of_owner(self, owner: str) -> list[tuple[Collection, int]]:
        """-> (collection, number of documents), by name."""
        count = func.count(documents.c.number).label("total")
        joined = collections.outerjoin(documents, documents.c.collection_id == collections.c.id)
        statement = select(collections, count).select_from(joined).where(collections.c.owner == owner)
        statement = statement.group_by(*collections.c).order_by(collections.c.name)
        async with self._store.reading() as connection:
            return [(_collection(row), row.total) for row in await connection.execute(statement)]

    async def remove(self, owner: str, name: str) -> bool:
        mine = and_(collections.c.owner == owner, collections.c.name == name)
        async with self._store.writing() as connection:
            return (await connection.execute(delete(collections).where(mine))).rowcount == 1

    async def put(self, collection_id: str, added: Sequence[Document]) -> None:
        """All or none; a document of the same id is replaced."""
        async with self._store.writing() as connection:
            for start in range(0, len(added), _BATCH):
                batch = added[start : start + _BATCH]
                ids = [document.id for document in batch]
                same = and_(documents.c.collection_id == collection_id, documents.c.id.in_(ids))
                await connection.execute(delete(documents).where(same))
                await connection.execute(insert(documents), [_row(document, collection_id) for document in batch])
            changed = update(collections).where(collections.c.id == collection_id).values(changes=collections.c.changes + 1)
            if not (await connection.execute(changed)).rowcount:
                raise Conflict("The collection was deleted meanwhile.")

    async def remove_document(self, collection_id: str, document_id: str) -> bool:
        one = and_(documents.c.collection_id == collection_id, documents.c.id == document_id)
        changed = update(collections).where(collections.c.id == collection_id).values(changes=collections.c.changes + 1)
        async with self._store.writing() as connection:
            done = (await connection.execute(delete(documents).where(one))).rowcount == 1
            if done:
                await connection.execute(changed)
        return done

    async def vectors(self, collection: Collection) -> list[tuple[int, dict[str, Any], bytes]]:
        """(number, metadata, vector) of every document."""
        same = and_(embeddings.c.digest == documents.c.digest, embeddings.c.owner == collection.owner)
        statement = (
            select(documents.c.number, documents.c.metadata, embeddings.c.vector)
            .join(embeddings, and_(same, embeddings.c.model == collection.model))
            .where(documents.c.collection_id == collection.id)
            .order_by(documents.c.number)
        )
        async with self._store.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [(row.number, {} if row.metadata == "{}" else msgspec.json.decode(row.metadata), row.vector) for row in rows]

    async def by_number(self, collection_id: str, numbers: Sequence[int]) -> dict[int, Document]:
        statement = select(documents).where(documents.c.collection_id == collection_id, documents.c.number.in_(numbers))
        async with self._store.reading() as connection:
            return {row.number: _document(row) for row in await connection.execute(statement)}

    async def with_words(self, collection_id: str, words: str, limit: int) -> list[int]:
        """Numbers of the documents that hold any of the words, the best first."""
        if self._store.dialect == "postgresql":
            statement = text(
                "SELECT number FROM documents, websearch_to_tsquery('simple', :words) AS wanted "
                "WHERE collection_id = :collection AND to_tsvector('simple', text) @@ wanted "
                "ORDER BY ts_rank(to_tsvector('simple', text), wanted) DESC, number LIMIT :most"
            )
            query = " or ".join(words.replace('"', " ").split())
        else:
            statement = text(
                "SELECT number FROM documents JOIN documents_fts ON documents_fts.rowid = number "
                "WHERE collection_id = :collection AND documents_fts MATCH :words ORDER BY documents_fts.rank, number LIMIT :most"
            )
            query = spoken(words, "sqlite", any_word=True)
        async with self._store.reading() as connection:
            found = await connection.execute(statement, {"collection": collection_id, "words": query, "most": limit})
            return list(found.scalars())

    async def known(self, owner: str, model: str, digests: Sequence[str]) -> dict[str, bytes]:
        """Digest -> vector, of those that are kept."""
        found: dict[str, bytes] = {}
        async with self._store.reading() as connection:
            for start in range(0, len(digests), _BATCH):
                given = {"by": owner, "of": model, "digests": digests[start : start + _BATCH]}
                rows = await connection.execute(_KNOWN, given)
                found.update((row.digest, row.vector) for row in rows)
        return found

    async def keep(self, owner: str, model: str, vectors: Mapping[str, bytes]) -> None:
        await self._store.write(self._keep.rows([(owner, model, digest, vector) for digest, vector in vectors.items()]))


def _collection(row: Row[Any]) -> Collection:
    return Collection(row.id, row.owner, row.name, row.model, row.changes, row.created_at)


def _document(row: Row[Any]) -> Document:
    return Document(row.id, row.text, msgspec.json.decode(row.metadata), row.digest)


def _row(document: Document, collection_id: str) -> dict[str, Any]:
    packed = msgspec.json.encode(document.metadata).decode()
    return {
        "collection_id": collection_id,
        "id": document.id,
        "text": document.text,
        "metadata": packed,
        "digest": document.digest,
    }

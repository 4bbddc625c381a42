"""`/search` and `/collections` (R45)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, Field

from doorward.apps import filters
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import EVENTS, LONG_BYTES, SMALL_BYTES, TEXT_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Deleted, Id, Name
from doorward.apps.routes.progress import Tell, told, wants_events
from doorward.apps.routes.streamed import Streamed
from doorward.apps.search import Mode
from doorward.core.errors import NotFound, Unprocessable
from doorward.store.collections import Collection

routes = AppRoutes("search")

MOST_DOCUMENTS = 10_000
OfPath = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
TopK = Annotated[int, Field(ge=1, le=1000)]


class SearchIn(Body):
    query: str
    documents: Annotated[list[str], Field(min_length=1, max_length=2000)]
    top_k: TopK = 5


class NearOut(Answer):
    index: int = Field(description="Its place in `documents`, from 0.")
    document: str
    score: float = Field(description="The cosine, -1 to 1.")


class SearchOut(Answer):
    results: list[NearOut]


class CollectionIn(Body):
    name: Name


class CollectionOut(Answer):
    name: str
    model: str
    documents: int
    created_at: float


class CollectionList(Answer):
    data: list[CollectionOut]


class DocumentIn(Body):
    text: str
    id: Id | None = Field(None, description="Yours; one that is there already is replaced.")
    metadata: dict[str, Any] = {}


class AddIn(Body):
    documents: Annotated[list[DocumentIn | str], Field(min_length=1, max_length=MOST_DOCUMENTS)]


class AddOut(Answer):
    ids: list[str]


class FindIn(Body):
    query: str
    top_k: TopK = 5
    mode: Mode = Field("cosine", description="By meaning, by words, or both merged by rank.")
    where: dict[str, Any] | None = Field(None, description='Of the metadata: {"lang": "en", "year": {"gte": 2020}}.')


class HitOut(Answer):
    id: str
    text: str
    metadata: dict[str, Any]
    score: float
    cosine: float | None


class FindOut(Answer):
    results: list[HitOut]


@routes.on("POST", "/search", body_cap_bytes=LONG_BYTES, metered=True, rooted=True)
async def search(asking: HasAsking, body: SearchIn) -> SearchOut:
    """The documents nearest in meaning. Vectors are kept: the same text is embedded once."""
    found = await asking.apps.searcher.among(asking.ask, asking.owner, body.query, body.documents, body.top_k)
    return SearchOut(results=[NearOut(index=at, document=body.documents[at], score=score) for at, score in found])


@routes.on("POST", "/collections", body_cap_bytes=SMALL_BYTES, status=201, changes=True)
async def make_collection(asking: HasAsking, body: CollectionIn) -> CollectionOut:
    """A new one, empty."""
    return _shown(await asking.apps.searcher.make(asking.owner, body.name), 0)


@routes.on("GET", "/collections")
async def list_collections(asking: HasAsking) -> CollectionList:
    """Mine."""
    return CollectionList(data=[_shown(row, count) for row, count in await asking.apps.collections.of_owner(asking.owner)])


@routes.on("DELETE", "/collections/{name}", changes=True)
async def delete_collection(asking: HasAsking, name: OfPath) -> Deleted:
    """With all its documents, for good."""
    if not await asking.apps.collections.remove(asking.owner, name):
        raise NotFound("There is no such collection.", code="unknown_collection")
    return Deleted(id=name)


@routes.on("POST", "/collections/{name}/documents", body_cap_bytes=LONG_BYTES, metered=True, status=201, shows=AddOut, also=EVENTS)
async def add_documents(request: Request, asking: HasAsking, name: OfPath, body: AddIn) -> Any:
    """All of them, or none. With `Accept: text/event-stream` it tells how far it is."""
    collection = await asking.apps.searcher.find(asking.owner, name)
    given = [(None, one, {}) if isinstance(one, str) else (one.id, one.text, one.metadata) for one in body.documents]

    async def work(tell: Tell | None = None) -> BaseModel:
        return AddOut(ids=await asking.apps.searcher.add(asking.ask, collection, given, tell))

    if wants_events(request):
        return await Streamed.begin(told(work, "batch"))
    return await work()


@routes.on("DELETE", "/collections/{name}/documents/{document_id}")
async def delete_document(asking: HasAsking, name: OfPath, document_id: Annotated[str, Path(max_length=128)]) -> Deleted:
    collection = await asking.apps.searcher.find(asking.owner, name)
    if not await asking.apps.collections.remove_document(collection.id, document_id):
        raise NotFound("There is no such document.", code="unknown_document")
    return Deleted(id=document_id)


@routes.on("POST", "/collections/{name}/search", body_cap_bytes=TEXT_BYTES, metered=True)
async def search_collection(asking: HasAsking, name: OfPath, body: FindIn) -> FindOut:
    """The nearest documents of a collection."""
    if body.where is not None:
        filters.check(body.where)
    if not body.query.strip():
        raise Unprocessable("query is empty: send some text.", param="query")
    collection = await asking.apps.searcher.find(asking.owner, name)
    hits = await asking.apps.searcher.search(asking.ask, collection, body.query, body.top_k, mode=body.mode, where=body.where)
    return FindOut(
        results=[
            HitOut(id=hit.document.id, text=hit.document.text, metadata=hit.document.metadata, score=hit.score, cosine=hit.cosine)
            for hit in hits
        ]
    )


def _shown(row: Collection, count: int) -> CollectionOut:
    return CollectionOut(name=row.name, model=row.model, documents=count, created_at=row.created_at)

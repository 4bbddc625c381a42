"""Search by meaning (R45): documents of one request, or stored collections; cosines, words, or both merged by rank."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from doorward.apps.ask import Ask
from doorward.apps.clean import cleaned
from doorward.apps.defaults import Defaults
from doorward.apps.filters import matching
from doorward.apps.guards import Guards, masked
from doorward.apps.kept import if_possible
from doorward.apps.parallel import in_parallel
from doorward.apps.slices import prefix
from doorward.apps.summarize import Progress
from doorward.apps.vectors import Vectors, packed
from doorward.core.errors import NotFound
from doorward.store.collections import Collection, Collections, Document

Mode = Literal["cosine", "text", "both"]
BATCH_TEXTS = 128
"""Texts of one embeddings call."""
EMBEDDED_TOKENS = 8000
"""Of a longer document only the beginning has a vector: what OpenAI's models take. Its words are all indexed."""
KEPT_ROWS = 400_000
"""Vectors of collections that stay in memory; the collection used longest ago goes first."""
AT_ONCE_ROWS = 64
"""Compared in a tenth of a millisecond, which is less than a thread takes."""
RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as its authors chose it: 1 / (60 + rank)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """`score`: the cosine; for words alone or both, the sum of reciprocal ranks."""

    document: Document
    score: float
    cosine: float | None


@dataclass(frozen=True, slots=True)
class _Loaded:
    changes: int
    numbers: list[int]
    metadata: list[dict[str, Any]]
    vectors: Vectors


class Searcher:
    def __init__(self, collections: Collections, defaults: Defaults, guards: Guards) -> None:
        self._collections = collections
        self._defaults = defaults
        self._guards = guards
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    async def among(self, ask: Ask, owner: str, query: str, texts: Sequence[str], top_k: int) -> list[tuple[int, float]]:
        """(index, cosine) of the nearest documents, descending."""
        query = cleaned(query, "query", self._defaults.max_message_chars)
        query = await self._guards.through(ask, query, app="search")
        texts = [cleaned(text, f"documents.{at}", self._defaults.max_message_chars) for at, text in enumerate(texts)]
        found = await self._embedded(ask, owner, self._defaults.embedding_model, [query, *texts])
        rows = [found[_digest(text)] for text in texts]
        if len(rows) <= AT_ONCE_ROWS:
            return Vectors(rows).nearest(found[_digest(query)], top_k)
        return await asyncio.to_thread(lambda: Vectors(rows).nearest(found[_digest(query)], top_k))

    async def make(self, owner: str, name: str) -> Collection:
        return await self._collections.add(f"col_{uuid.uuid4().hex}", owner, name, self._defaults.embedding_model)

    async def find(self, owner: str, name: str) -> Collection:
        found = await self._collections.find(owner, name)
        if found is None:
            raise NotFound("There is no such collection.", param="name", code="unknown_collection")
        return found

    async def add(
        self,
        ask: Ask,
        collection: Collection,
        given: Sequence[tuple[str | None, str, Mapping[str, Any]]],
        progress: Progress | None = None,
    ) -> list[str]:
        """(id, text, metadata) each -> ids. All are added, or none; vectors that were made are kept for the next try."""
        texts = [cleaned(text, f"documents.{at}.text", self._defaults.max_message_chars) for at, (_, text, _) in enumerate(given)]
        await self._embedded(ask, collection.owner, collection.model, texts, progress, of_documents=True)
        made: dict[str, Document] = {}
        for (wanted, _, metadata), text in zip(given, texts, strict=True):
            document = Document(wanted or f"doc_{uuid.uuid4().hex}", text, dict(metadata), _digest(text))
            made[document.id] = document  # an id that was sent twice: the last one counts
        await self._collections.put(collection.id, list(made.values()))
        return list(made)

    async def search(
        self,
        ask: Ask,
        collection: Collection,
        query: str,
        top_k: int,
        *,
        mode: Mode = "cosine",
        where: Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        query = cleaned(query, "query", self._defaults.max_message_chars)
        near: list[tuple[int, float]] = []
        loaded = await self._load(collection)
        allowed = await asyncio.to_thread(matching, loaded.metadata, where) if where else None
        if mode != "text":
            query = await self._guards.through(ask, query, app="search")
            found = await self._embedded(ask, collection.owner, collection.model, [query])
            reach = top_k if mode == "cosine" else max(50, 4 * top_k)
            nearest = await asyncio.to_thread(loaded.vectors.nearest, found[_digest(query)], reach, allowed)
            near = [(loaded.numbers[row], cosine) for row, cosine in nearest]
        if mode == "cosine":
            ranked = near[:top_k]
        else:
            reach = max(50, 4 * top_k) if allowed is None else loaded.vectors.count
            spoken = await self._collections.with_words(collection.id, query, reach)
            if allowed is not None:
                kept = {loaded.numbers[row] for row in allowed}
                spoken = [number for number in spoken if number in kept]
            ranked = fused([[number for number, _ in near], spoken])[:top_k]
        cosines = dict(near)
        documents = await self._collections.by_number(collection.id, [number for number, _ in ranked])
        return [Hit(documents[number], score, cosines.get(number)) for number, score in ranked if number in documents]

    async def _load(self, collection: Collection) -> _Loaded:
        kept = self._loaded.get(collection.id)
        if kept is not None and kept.changes == collection.changes:
            self._loaded.move_to_end(collection.id)
            return kept
        rows = await self._collections.vectors(collection)
        vectors = await asyncio.to_thread(Vectors, [vector for _, _, vector in rows])
        loaded = _Loaded(collection.changes, [row[0] for row in rows], [row[1] for row in rows], vectors)
        self._loaded[collection.id] = loaded
        self._loaded.move_to_end(collection.id)
        while len(self._loaded) > 1 and sum(one.vectors.count for one in self._loaded.values()) > KEPT_ROWS:
            self._loaded.popitem(last=False)
        return loaded

    async def _embedded(
        self,
        ask: Ask,
        owner: str,
        model: str,
        texts: Sequence[str],
        progress: Progress | None = None,
        *,
        of_documents: bool = False,
    ) -> dict[str, bytes]:
        """Digest -> vector. What was embedded before is not asked for again. `of_documents`: a collection will look for them."""
        wanted = {_digest(text): text for text in texts}
        found = await self._collections.known(owner, model, list(wanted))
        missing = [digest for digest in wanted if digest not in found]
        batches = [missing[at : at + BATCH_TEXTS] for at in range(0, len(missing), BATCH_TEXTS)]

        async def embed(batch: list[str]) -> None:
            sent = [await self._sent(wanted[digest], model) for digest in batch]
            vectors = await ask.embed(sent, model, app="search")
            made = {digest: packed(vector) for digest, vector in zip(batch, vectors, strict=True)}
            keeping = self._collections.keep(owner, model, made)
            await (keeping if of_documents else if_possible(keeping, "vectors"))
            found.update(made)

        await in_parallel(batches, embed, self._defaults.parallel, progress)
        return found

    async def _sent(self, text: str, model: str) -> str:
        if self._guards.mask:
            text = masked(text)[0]
        if len(text) <= EMBEDDED_TOKENS:  # a token is never less than a character's part: certainly short enough
            return text
        return await asyncio.to_thread(prefix, text, model, EMBEDDED_TOKENS)


def fused(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: (number, score), descending."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

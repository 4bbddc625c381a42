"""The port over the typed client library, for processes without a relay: an OpenAI account, or a Doorward with a client key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from doorward.apps.adapter_calls import Fetched
from doorward.apps.ask import Ask, Body, Event, Spent
from doorward.apps.pipeline_ask import flags_of
from doorward.connector import chat, embeddings, moderations
from doorward.connector.chat import ChatRequest
from doorward.connector.config import Config
from doorward.connector.embeddings import EmbeddingRequest, vectors_of
from doorward.connector.moderations import ModerationRequest
from doorward.core.errors import NotFound

_KNOWN = frozenset(one.name for one in fields(ChatRequest))


@dataclass(slots=True)
class ConnectorAsk:
    """`config` names the place and the key: OpenAI, or a Doorward's `/v1` with a client key."""

    config: Config
    spent: Spent = field(default_factory=Spent)
    call_id: str = ""

    async def chat(self, body: Body, *, app: str) -> Body:
        completion = await chat.create_chat_completion(self.config, _request(body))
        answer: Body = completion.model_dump(mode="json")
        self.call_id = str(answer.get("id") or "")
        self.spent.add(answer.get("usage"), None)
        return answer

    @asynccontextmanager
    async def stream(self, body: Body, *, app: str) -> AsyncIterator[AsyncIterator[Event]]:
        request = _request({**body, "stream_options": {"include_usage": True}})
        async with aclosing(chat.stream_chat_completion(self.config, request)) as chunks:

            async def events() -> AsyncIterator[Event]:
                async for chunk in chunks:
                    event: Event = chunk.model_dump(mode="json")
                    self.call_id = str(event.get("id") or self.call_id)
                    if event.get("usage"):
                        self.spent.add(event["usage"], None)
                    yield event

            yield events()

    async def embed(self, texts: Sequence[str], model: str, *, app: str) -> list[Sequence[float]]:
        answer = await embeddings.create_embedding(self.config, EmbeddingRequest(model=model, input=list(texts)))
        return list(vectors_of(answer))

    async def moderate(self, text: str, model: str, *, app: str) -> dict[str, bool]:
        answer = await moderations.create_moderation(self.config, ModerationRequest(model=model, input=text))
        return flags_of(answer.model_dump(mode="json", by_alias=True))

    def price(self, model: str, input_tokens: int, output_tokens: int) -> int | None:
        """Prices are known where the call is billed: not here."""
        return None

    def adapters(self) -> dict[str, list[str]]:
        """The operator's file is not read here."""
        return {}

    async def fetch(self, adapter: str, method: str, path: str, body: str, most_bytes: int, *, app: str, priced: bool) -> Fetched:
        raise NotFound("There are no adapters here.", code="adapter_not_found")

    def note(self, fact: str) -> None:
        """Nobody keeps a book here."""


def _request(body: Body) -> ChatRequest:
    known: dict[str, Any] = {name: value for name, value in body.items() if name in _KNOWN}
    extra = {name: value for name, value in body.items() if name not in _KNOWN and name != "stream"}
    return ChatRequest(**known, extra=extra or None)


_: type[Ask] = ConnectorAsk

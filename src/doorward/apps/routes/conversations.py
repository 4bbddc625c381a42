"""`/conversations`: what was said, to whom it belongs; nobody else's id is ever anything but a 404."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import Field

from doorward.apps.clean import clean
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import SMALL_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Deleted, Model
from doorward.core.errors import NotFound, Unprocessable
from doorward.store.conversations import Conversation, Message

routes = AppRoutes("conversations")

OfPath = Annotated[str, Path(max_length=128)]


class ConversationOut(Answer):
    id: str
    title: str
    model: str
    prompt: str | None
    created_at: float
    updated_at: float


class MessageOut(Answer):
    id: str
    parent_id: str | None
    role: str
    text: str
    parts: list[dict[str, Any]] | None = None
    model: str | None
    stopped: bool = Field(description="Its reader stopped it: this is what was shown.")
    call_id: str | None = Field(description="The call that made it: GET /api/v1/calls/{call_id} explains it.")
    created_at: float
    siblings: list[str] = Field([], description="Everything that was said in this place, itself included, in order.")


class ConversationList(Answer):
    data: list[ConversationOut]
    has_more: bool


class ConversationRead(ConversationOut):
    messages: list[MessageOut] = Field(description="Of the branch that is shown, in the order of speaking.")
    has_more: bool = Field(description="There are older ones: ask again with before=<the first message's id>.")


class ConversationExport(ConversationOut):
    system: str
    leaf_id: str | None
    messages: list[MessageOut] = Field(description="Of every branch.")


class FoundOut(Answer):
    conversation_id: str
    title: str
    message_id: str
    role: str
    excerpt: str
    created_at: float


class FoundList(Answer):
    data: list[FoundOut]


class ConversationChange(Body):
    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    model: Model | None = None
    leaf_id: Annotated[str, Field(max_length=128)] | None = Field(
        None, description="Show the branch through this message, as far as it was written last."
    )


class Titled(Answer):
    title: str


@routes.on("GET", "/conversations")
async def list_conversations(
    asking: HasAsking, limit: Annotated[int, Query(ge=1, le=200)] = 50, before: Annotated[str | None, Query(max_length=128)] = None
) -> ConversationList:
    """Mine, the one used last first."""
    last = await asking.apps.chat.find(before, asking.owner) if before else None
    rows = await asking.apps.conversations.of_owner(asking.owner, limit + 1, last)
    return ConversationList(data=[_shown(row) for row in rows[:limit]], has_more=len(rows) > limit)


@routes.on("GET", "/conversations/search")
async def search_conversations(
    asking: HasAsking, q: Annotated[str, Query(min_length=1, max_length=500)], limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> FoundList:
    """My messages that hold all these words."""
    found = await asking.apps.conversations.search(asking.owner, clean(q), limit)
    return FoundList(
        data=[
            FoundOut(
                conversation_id=one.conversation_id,
                title=one.title,
                message_id=one.message_id,
                role=one.role,
                excerpt=one.excerpt,
                created_at=one.created_at,
            )
            for one in found
        ]
    )


@routes.on("GET", "/conversations/{conversation_id}")
async def read_conversation(
    asking: HasAsking,
    conversation_id: OfPath,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    before: Annotated[str | None, Query(max_length=128)] = None,
    since: Annotated[str | None, Query(max_length=128)] = None,
) -> ConversationRead:
    """The newest messages of the branch that is shown; with `since`, that message and all after it, however many."""
    conversation = await asking.apps.chat.find(conversation_id, asking.owner)
    leaf_id = conversation.leaf_id
    if since is not None:
        limit = await asking.apps.conversations.length(conversation.id, leaf_id, since)
        if limit == 0:
            raise NotFound("There is no such message on the branch that is shown.", param="since", code="unknown_message")
    if before is not None:
        later = await asking.apps.conversations.message(conversation.id, before)
        if later is None:
            raise NotFound("There is no such message in this conversation.", param="before", code="unknown_message")
        leaf_id = later.parent_id
    chain = await asking.apps.conversations.chain(conversation.id, leaf_id, limit + 1)
    has_more, chain = len(chain) > limit, chain[-limit:]
    siblings = await asking.apps.conversations.siblings(conversation.id, [message.parent_id for message in chain])
    shown = [_message(message, siblings.get(message.parent_id, [])) for message in chain]
    return ConversationRead(**_shown(conversation).model_dump(), messages=shown, has_more=has_more)


@routes.on("PATCH", "/conversations/{conversation_id}", body_cap_bytes=SMALL_BYTES)
async def change_conversation(asking: HasAsking, conversation_id: OfPath, body: ConversationChange) -> ConversationOut:
    """Rename it, choose its model, or the branch that is shown."""
    changes = {name: value for name, value in body.model_dump().items() if value is not None}
    if "title" in changes:
        changes["title"] = " ".join(clean(changes["title"]).split())
    if not changes or changes.get("title") == "":
        raise Unprocessable("Send a title, a model or a leaf_id.", param="title")
    conversation = await asking.apps.chat.find(conversation_id, asking.owner)
    if body.leaf_id:
        if await asking.apps.conversations.message(conversation.id, body.leaf_id) is None:
            raise NotFound("There is no such message in this conversation.", param="leaf_id", code="unknown_message")
        changes["leaf_id"] = await asking.apps.conversations.newest_below(conversation.id, body.leaf_id)
    await asking.apps.conversations.change(conversation_id, asking.owner, **changes)
    return _shown(await asking.apps.chat.find(conversation_id, asking.owner))


@routes.on("DELETE", "/conversations/{conversation_id}", changes=True)
async def delete_conversation(asking: HasAsking, conversation_id: OfPath) -> Deleted:
    """With all its messages, for good."""
    if not await asking.apps.conversations.remove(conversation_id, asking.owner):
        raise NotFound("There is no such conversation.", code="unknown_conversation")
    return Deleted(id=conversation_id)


@routes.on("POST", "/conversations/{conversation_id}/title", metered=True)
async def title_conversation(asking: HasAsking, conversation_id: OfPath) -> Titled:
    """Have the model write a title."""
    return Titled(title=await asking.apps.chat.title(asking.ask, asking.owner, conversation_id))


@routes.on("GET", "/conversations/{conversation_id}/export", shows=ConversationExport, also="text/markdown")
async def export_conversation(
    asking: HasAsking, conversation_id: OfPath, format: Annotated[Literal["json", "markdown"], Query()] = "json"
) -> Any:
    """Everything: as JSON with every branch, or the branch that is shown as Markdown."""
    conversation = await asking.apps.chat.find(conversation_id, asking.owner)
    if format == "markdown":
        chain = await asking.apps.conversations.chain(conversation.id, conversation.leaf_id)
        text = f"# {conversation.title}\n\n" + "\n\n".join(f"## {message.role}\n\n{message.text}" for message in chain) + "\n"
        attached = {"content-disposition": f'attachment; filename="{conversation.id}.md"'}
        return Response(text, media_type="text/markdown; charset=utf-8", headers=attached)
    listed = [_message(message, []) for message in await asking.apps.conversations.all_messages(conversation.id)]
    return ConversationExport(
        **_shown(conversation).model_dump(), system=conversation.system, leaf_id=conversation.leaf_id, messages=listed
    )


def _shown(row: Conversation) -> ConversationOut:
    return ConversationOut(
        id=row.id, title=row.title, model=row.model, prompt=row.prompt, created_at=row.created_at, updated_at=row.updated_at
    )


def _message(row: Message, siblings: list[str]) -> MessageOut:
    return MessageOut(
        id=row.id,
        parent_id=row.parent_id,
        role=row.role,
        text=row.text,
        parts=row.parts,
        model=row.model,
        stopped=row.stopped,
        call_id=row.call_id,
        created_at=row.created_at,
        siblings=siblings,
    )

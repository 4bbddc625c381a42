"""`/chat`, `/chat/stream`, `/chat-stream` (R41, R42)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from doorward.apps import frames
from doorward.apps.chat import Ready, Wish
from doorward.apps.routes.asking import Asking, HasAsking
from doorward.apps.routes.declared import EVENTS, SMALL_BYTES, TEXT_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Id, Model, Name
from doorward.apps.routes.streamed import Streamed
from doorward.core.errors import DoorwardError
from doorward.store.runs import Step

routes = AppRoutes("chat")

Pieces = AsyncGenerator[str, None] | AsyncGenerator[str | Step, None]

Format = Annotated[Literal["json", "text"], Query(description="`text`: every frame is plain text.")]
ToolName = Annotated[str, Field(min_length=1, max_length=64)]
Image = Annotated[str, Field(min_length=1, max_length=7 * 2**20, pattern=r"^(https://|data:image/)")]


class ChatIn(Body):
    message: str = Field(description="What you say. Control characters are cut; the role is always user.")
    conversation_id: Id | None = Field(None, description="Go on there; without it a new conversation begins.")
    parent_id: Annotated[str, Field(max_length=128)] | None = Field(
        None, description="Answer after this message: an edit or a retry, beside what is there. Empty: start over."
    )
    images: Annotated[list[Image], Field(max_length=10)] = Field([], description="Images as https: or data: URLs.")
    model: Model | None = Field(None, description="Of this conversation from now on.")
    prompt: Name | None = Field(None, description="A system prompt by name: todo_assistant, code_reviewer, or the operator's own.")
    prompt_version: Annotated[int, Field(ge=1)] | None = None
    variables: dict[str, Annotated[str, Field(max_length=8000)]] = Field({}, description="What the prompt's {{variables}} say.")

    def wish(self) -> Wish:
        return Wish(
            self.message,
            self.conversation_id,
            self.parent_id,
            tuple(self.images),
            self.model,
            self.prompt,
            self.prompt_version,
            self.variables,
        )


class StreamIn(ChatIn):
    tools: Annotated[list[ToolName], Field(max_length=128)] = Field(
        [], description="Tools that the answer may use: GET /apps/agent/tools lists them. Each step is then a frame, too."
    )


class Decisions(Body):
    conversation_id: Id
    message_id: Id = Field(description="The answer that waits.")
    decisions: dict[Annotated[str, Field(max_length=128)], bool] = Field(description="tool_call_id: whether it may run.")


class ChatOut(Answer):
    message: str
    conversation_id: str
    message_id: str
    model: str


@routes.on("POST", "/chat", body_cap_bytes=TEXT_BYTES, metered=True, rooted=True)
async def chat(asking: HasAsking, body: ChatIn) -> ChatOut:
    """Say something, get the whole answer. Stored only when the answer is whole."""
    done = await asking.apps.chat.answer(asking.ask, asking.owner, body.wish())
    return ChatOut(message=done.message, conversation_id=done.conversation_id, message_id=done.message_id, model=done.model)


@routes.on("POST", "/chat/stream", body_cap_bytes=TEXT_BYTES, metered=True, rooted=True, also=EVENTS)
async def chat_stream(asking: HasAsking, body: StreamIn, format: Format = "json") -> Response:
    """The answer as it is written: `data: {"delta": "…"}` frames, then `data: [DONE]`.

    With `tools` there are `data: {"step": {"number", "kind", "details"}}` frames between them. A step of the kind
    `approval` is the last one: the answer is stored and waits for POST /apps/chat/approvals.
    """
    return await _streamed(asking, body.wish(), format, body.tools)


@routes.on("POST", "/chat-stream", body_cap_bytes=TEXT_BYTES, metered=True, rooted=True, also=EVENTS)
async def chat_stream_too(asking: HasAsking, body: StreamIn, format: Format = "json") -> Response:
    """The same as `/chat/stream`."""
    return await _streamed(asking, body.wish(), format, body.tools)


@routes.on("GET", "/chat-stream", metered=True, rooted=True, also=EVENTS)
async def chat_stream_by_get(
    asking: HasAsking,
    message: Annotated[str, Query()],
    conversation_id: Annotated[str | None, Query(max_length=128)] = None,
    model: Annotated[Model | None, Query()] = None,
    prompt: Annotated[Name | None, Query()] = None,
    format: Format = "json",
) -> Response:
    """For `EventSource`, which can only GET. Pages of other sites are refused."""
    asking.check_page()
    return await _streamed(asking, Wish(message, conversation_id or None, model=model, prompt=prompt), format)


@routes.on("POST", "/chat/approvals", body_cap_bytes=SMALL_BYTES, metered=True, also=EVENTS)
async def chat_approvals(asking: HasAsking, body: Decisions, format: Format = "json") -> Response:
    """Let tool calls of an answer run, or not; it goes on as a stream."""
    tool_chat = asking.apps.tool_chat
    begun = await tool_chat.decide(asking.ask, asking.owner, body.conversation_id, body.message_id, body.decisions)
    return await _begin(tool_chat.stream(asking.ask, begun), begun.ready, format)


async def _streamed(asking: Asking, wish: Wish, form: frames.Form, tools: Sequence[str] = ()) -> Response:
    apps, ask = asking.apps, asking.ask
    if tools:
        begun = await apps.tool_chat.begin(ask, asking.owner, wish, tools)
        return await _begin(apps.tool_chat.stream(ask, begun), begun.ready, form)
    ready = await apps.chat.prepare(ask, asking.owner, wish)
    return await _begin(apps.chat.stream(ask, ready), ready, form)


async def _begin(pieces: Pieces, ready: Ready, form: frames.Form) -> Response:
    """The ids are known before anything is stored: under them question and answer are found afterwards."""
    headers = {
        "x-doorward-conversation": ready.conversation.id,
        "x-doorward-question": ready.question.id,
        "x-doorward-message": ready.answer_id,
    }
    return await Streamed.begin(_frames(pieces, form), headers)


async def _frames(pieces: Pieces, form: frames.Form) -> AsyncGenerator[bytes]:
    started = False
    try:
        async with aclosing(pieces) as shown:
            async for piece in shown:
                if isinstance(piece, str):
                    yield frames.delta(piece, form)
                elif form == "json":
                    yield frames.step(piece)
                started = True
    except DoorwardError as error:
        if not started:
            raise
        yield frames.error(error, form)
    else:
        yield frames.DONE

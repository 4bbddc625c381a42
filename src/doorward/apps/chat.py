"""Chat with memory (R41, R42): the branch so far, cut to fit, the question, the answer; stored once the answer is whole."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from doorward.apps.ask import NO_TEXT, Ask, Body, chat_body, delta_of, text_of
from doorward.apps.clean import clean, cleaned
from doorward.apps.counting import ready_to_count
from doorward.apps.defaults import Defaults
from doorward.apps.guards import Guards
from doorward.apps.history import Turn, fitting, tokens_of
from doorward.apps.prompts import system_text
from doorward.apps.tool_exchange import Part, sent
from doorward.core.clock import Clock
from doorward.core.errors import NotFound, UpstreamFailed
from doorward.ledger.unbroken import unbroken
from doorward.store.conversations import Conversation, Conversations, Message
from doorward.store.prompts import Prompts

_TITLE_CHARS = 60
_HISTORY_PAGE = 400
"""Messages read for a history: more than 8,000 tokens ever hold of ordinary length."""
_TITLE = "Write a title of at most six words for this conversation. Answer with the title alone, without quotation marks."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks. `parent_id`: answer after that message, which makes a sibling; "" starts over at the root."""

    message: str
    conversation_id: str | None = None
    parent_id: str | None = None
    images: tuple[str, ...] = ()
    """URLs, `https:` or `data:`."""
    model: str | None = None
    prompt: str | None = None
    prompt_version: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything known before the model is asked; nothing of it is stored yet."""

    conversation: Conversation
    question: Message
    answer_id: str
    body: Body


@dataclass(frozen=True, slots=True)
class Answered:
    message: str
    conversation_id: str
    message_id: str
    model: str


class Chat:
    def __init__(self, conversations: Conversations, prompts: Prompts, defaults: Defaults, guards: Guards, clock: Clock) -> None:
        self._conversations = conversations
        self._prompts = prompts
        self._defaults = defaults
        self._guards = guards
        self._clock = clock

    async def answer(self, ask: Ask, owner: str, wish: Wish) -> Answered:
        ready = await self.prepare(ask, owner, wish)
        text = text_of(await ask.chat(ready.body, app="chat"))
        await self.keep(ready, self.answer_of(ready, text, ask.call_id))
        return Answered(text, ready.conversation.id, ready.answer_id, ready.conversation.model)

    async def stream(self, ask: Ask, ready: Ready) -> AsyncGenerator[str]:
        """The answer in pieces. To be closed by who reads it (`aclosing`): then the call ends and what was shown is kept."""
        shown: list[str] = []
        try:
            async with ask.stream(ready.body, app="chat") as events:
                async for event in events:
                    if text := delta_of(event):
                        shown.append(text)
                        yield text
        except (asyncio.CancelledError, GeneratorExit):
            if shown:
                await unbroken(self.keep(ready, self.answer_of(ready, "".join(shown), ask.call_id, stopped=True)))
            raise
        if not shown:
            raise UpstreamFailed(NO_TEXT, code="no_text_content")
        await self.keep(ready, self.answer_of(ready, "".join(shown), ask.call_id))

    async def prepare(self, ask: Ask, owner: str, wish: Wish, *, rule: str = "") -> Ready:
        """Raises `NotFound` for a conversation, parent or prompt that is not the owner's to use; nothing is written.

        `rule`: stands below the conversation's system prompt for this answer alone.
        """
        text = cleaned(wish.message, "message", self._defaults.max_message_chars)
        known = await self.find(wish.conversation_id, owner) if wish.conversation_id is not None else None
        conversation = await self._conversation(known, owner, wish, text)
        parent_id = await self._parent(conversation, wish)
        turns = await self._turns(conversation, parent_id)
        text = await self._guards.through(ask, text, app="chat")
        await ready_to_count(conversation.model)
        question = self._question(text, wish.images, parent_id, conversation.model)
        turns.append(Turn(sent(question), question.tokens))
        return Ready(conversation, question, _new_id("msg"), self._body(conversation, turns, rule))

    async def again(self, conversation: Conversation, answer: Message, *, rule: str = "") -> Ready:
        """What was known before a stored answer; it is written once more by its own id."""
        question = await self._conversations.message(conversation.id, answer.parent_id or "")
        if question is None:
            raise NotFound("There is no question to this answer.", param="message_id", code="unknown_message")
        turns = await self._turns(conversation, question.id)
        conversation = replace(conversation, model=answer.model or conversation.model)
        await ready_to_count(conversation.model)
        return Ready(conversation, question, answer.id, self._body(conversation, turns, rule))

    async def find(self, conversation_id: str, owner: str) -> Conversation:
        found = await self._conversations.find(conversation_id, owner)
        if found is None:
            raise NotFound("There is no such conversation.", param="conversation_id", code="unknown_conversation")
        return found

    async def title(self, ask: Ask, owner: str, conversation_id: str) -> str:
        """Made by the model, from the first messages; stored."""
        conversation = await self.find(conversation_id, owner)
        chain = await self._conversations.chain(conversation.id, conversation.leaf_id, _HISTORY_PAGE)
        messages = [{"role": message.role, "content": message.text[:2000]} for message in chain[:4]]
        body = chat_body(conversation.model, [*messages, {"role": "user", "content": _TITLE}], 24, 0.2)
        title = " ".join(clean(text_of(await ask.chat(body, app="title"))).split()).strip("\"'“”")[:_TITLE_CHARS]
        await self._conversations.change(conversation_id, owner, title=title)
        return title

    async def _conversation(self, known: Conversation | None, owner: str, wish: Wish, text: str) -> Conversation:
        now = self._clock.wall()
        system = None
        if wish.prompt is not None:
            system = await system_text(self._prompts, wish.prompt, wish.prompt_version, wish.variables)
        if known is None:
            title = " ".join(text.split())[:_TITLE_CHARS]
            model = wish.model or self._defaults.model
            return Conversation(_new_id("conv"), owner, title, model, wish.prompt, system or "", None, now, now)
        changed = replace(known, model=wish.model or known.model, updated_at=now)
        return changed if system is None else replace(changed, prompt=wish.prompt, system=system)

    async def _parent(self, conversation: Conversation, wish: Wish) -> str | None:
        if wish.parent_id is None:
            return conversation.leaf_id
        if wish.parent_id == "":
            return None
        if await self._conversations.message(conversation.id, wish.parent_id) is None:
            raise NotFound("There is no such message in this conversation.", param="parent_id", code="unknown_message")
        return wish.parent_id

    async def _turns(self, conversation: Conversation, leaf_id: str | None) -> list[Turn]:
        chain = await self._conversations.chain(conversation.id, leaf_id, _HISTORY_PAGE)
        return [Turn(sent(message), message.tokens) for message in chain]

    def _body(self, conversation: Conversation, turns: list[Turn], rule: str) -> Body:
        system = "\n\n".join(filter(None, (conversation.system, rule)))
        messages = fitting(system, turns, conversation.model, self._defaults.history_tokens)
        return chat_body(conversation.model, messages, self._defaults.max_tokens, self._defaults.temperature)

    def _question(self, text: str, images: tuple[str, ...], parent_id: str | None, model: str) -> Message:
        parts: list[dict[str, Any]] | None = None
        if images:
            shown = [{"type": "image_url", "image_url": {"url": url}} for url in images]
            parts = [{"type": "text", "text": text}, *shown]
        tokens = tokens_of({"role": "user", "content": parts or text}, model)
        return Message(_new_id("msg"), parent_id, "user", text, tokens, parts, created_at=self._clock.wall())

    def answer_of(
        self, ready: Ready, text: str, call_id: str, *, stopped: bool = False, parts: list[Part] | None = None
    ) -> Message:
        """The answer as it is stored. `parts`: the tool exchange before its text."""
        model, now = ready.conversation.model, self._clock.wall()
        made = Message(ready.answer_id, ready.question.id, "assistant", clean(text), 0, parts or None, model, stopped, call_id, now)
        return replace(made, tokens=sum(tokens_of(message, model) for message in sent(made)))

    async def keep(self, ready: Ready, answer: Message) -> None:
        """Question and answer together, or neither."""
        if not await self._conversations.append(ready.conversation, [ready.question, answer]):
            raise NotFound("The conversation was deleted meanwhile.", code="unknown_conversation")


def _new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"

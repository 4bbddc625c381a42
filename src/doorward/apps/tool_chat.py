"""A chat that may use the operator's tools (R41, R46): the agent's loop within a conversation.

What it did is part of the answer and stored with it. A call that a person must let run ends the stream and waits
in the conversation; with the decision the answer goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doorward.apps.agent_loop import TOOL_RULE, AgentLoop, Work
from doorward.apps.ask import NO_TEXT, Ask
from doorward.apps.chat import Chat, Ready, Wish
from doorward.apps.tool import Tool
from doorward.apps.tool_exchange import Part, part_of, rounds, waits_for
from doorward.apps.toolbox import Toolbox
from doorward.core.errors import Conflict, DoorwardError, NotFound, UpstreamFailed
from doorward.ledger.unbroken import unbroken
from doorward.store.conversations import Conversations, Message
from doorward.store.runs import RunState, Step


@dataclass(frozen=True, slots=True)
class Begun:
    """Everything known before the model is asked. `waited`: the stored answer that goes on, with the steps it had."""

    ready: Ready
    tools: Mapping[str, Tool]
    settings: dict[str, Any]
    waited: Message | None = None
    decisions: Mapping[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class _Shown:
    """What the reader has of the answer."""

    parts: list[Part]
    text: str = ""

    def add(self, piece: str | Step, settings: dict[str, Any]) -> None:
        if isinstance(piece, str):
            self.text += piece
        elif (part := part_of(piece)) is not None:
            if part["type"] == "model" and part["tool_calls"]:
                self.text = ""  # said before the tools were called: it stands in the step
            if part["type"] == "approval":
                part["settings"] = dict(settings)
            self.parts.append(part)

    @property
    def has_acted(self) -> bool:
        return any(part["type"] == "tool" for part in self.parts)


class ToolChat:
    def __init__(self, chat: Chat, conversations: Conversations, toolbox: Toolbox, loop: AgentLoop) -> None:
        self._chat = chat
        self._conversations = conversations
        self._toolbox = toolbox
        self._loop = loop

    async def begin(self, ask: Ask, owner: str, wish: Wish, tools: Sequence[str]) -> Begun:
        """Raises `NotFound` for a tool that is not there, and what `Chat.prepare` raises; nothing is written."""
        chosen = await self._toolbox.chosen(ask, owner, tools)
        ready = await self._chat.prepare(ask, owner, wish, rule=TOOL_RULE)
        return Begun(ready, chosen, self._loop.settings(ready.conversation.model, chosen))

    async def decide(self, ask: Ask, owner: str, conversation_id: str, message_id: str, decisions: Mapping[str, bool]) -> Begun:
        """An answer that waits goes on. Every call that waits must be decided, once. Raises `NotFound`, `Conflict`."""
        conversation = await self._chat.find(conversation_id, owner)
        message = await self._conversations.message(conversation_id, message_id)
        if message is None:
            raise NotFound("There is no such message in this conversation.", param="message_id", code="unknown_message")
        waiting = waits_for(message)
        if not waiting or message.parts is None:
            raise Conflict("This answer does not wait for an approval.")
        undecided = sorted(call["tool_call_id"] for call in waiting if call["tool_call_id"] not in decisions)
        if undecided:
            raise Conflict(f"Decide every call that waits: {', '.join(undecided)}.")
        every = await self._toolbox.all(ask, owner)
        ready = await self._chat.again(conversation, message, rule=TOOL_RULE)
        approval = {**message.parts[-1], "decisions": {call["tool_call_id"]: decisions[call["tool_call_id"]] for call in waiting}}
        decided = replace(message, parts=[*message.parts[:-1], approval])
        if not await self._conversations.rewrite(conversation_id, decided, was=message.parts):
            raise Conflict("This answer does not wait for an approval.")
        settings = dict(approval["settings"])
        tools = {name: every[name] for name in settings["tools"] if name in every}
        return Begun(ready, tools, settings, decided, approval["decisions"])

    async def stream(self, ask: Ask, begun: Begun) -> AsyncGenerator[str | Step]:
        """Pieces of text, and steps. To be closed by who reads it; then the run ends and what was shown is kept."""
        before = list(begun.waited.parts or []) if begun.waited is not None else []
        shown = _Shown(before)
        news: asyncio.Queue[str | Step | None] = asyncio.Queue()

        async def tell(step: Step) -> None:
            news.put_nowait(step)

        work = Work([*begun.ready.body["messages"], *rounds(before, open_too=True)], begun.settings, begun.tools, ask, "chat", tell)
        work.say, work.number = news.put_nowait, len(before)
        work.approved = frozenset(one for one, yes in begun.decisions.items() if yes)
        work.refused = frozenset(one for one, yes in begun.decisions.items() if not yes)
        working: asyncio.Task[tuple[RunState, str]] = asyncio.ensure_future(self._loop.run(work))
        working.add_done_callback(lambda _: news.put_nowait(None))
        try:
            while (piece := await news.get()) is not None:
                shown.add(piece, begun.settings)
                if isinstance(piece, str) or piece.kind != "answer":
                    yield piece
            working.result()
        except (asyncio.CancelledError, GeneratorExit):
            await unbroken(self._left(ask, begun, shown, working))
            raise
        except DoorwardError:
            if shown.has_acted:  # a tool ran: that stays on record
                await self._keep(ask, begun, shown, stopped=True)
            raise
        if not shown.text and not any(part["type"] != "model" for part in shown.parts):
            raise UpstreamFailed(NO_TEXT, code="no_text_content")
        await self._keep(ask, begun, shown, stopped=False)

    async def _left(self, ask: Ask, begun: Begun, shown: _Shown, working: asyncio.Task[tuple[RunState, str]]) -> None:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        if shown.text or shown.parts:
            await self._keep(ask, begun, shown, stopped=True)

    async def _keep(self, ask: Ask, begun: Begun, shown: _Shown, *, stopped: bool) -> None:
        ready = begun.ready
        answer = self._chat.answer_of(ready, shown.text, ask.call_id, stopped=stopped, parts=shown.parts)
        if begun.waited is None:
            await self._chat.keep(ready, answer)
        else:
            await self._conversations.rewrite(ready.conversation.id, answer)

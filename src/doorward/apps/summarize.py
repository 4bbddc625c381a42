"""Summaries (R43): one call for a short text; a longer one cut or read whole; a very long one in slices, then their summary."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from doorward.apps.ask import Ask, chat_body, text_of
from doorward.apps.clean import clean
from doorward.apps.cost_cap import check_estimate
from doorward.apps.counting import in_steps, tokens_in
from doorward.apps.defaults import Defaults
from doorward.apps.guards import Guards
from doorward.apps.kept import if_possible
from doorward.apps.parallel import in_parallel
from doorward.apps.slices import prefix, slices
from doorward.core.errors import Unprocessable
from doorward.store.answers import Answers

Mode = Literal["cut", "full"]
Progress = Callable[[int, int], Awaitable[None]]
"""(finished, of all): called as slices are done."""

_TASK = (
    "Summarize the text that the user sends. Keep what matters: who, what, numbers, decisions, open questions. "
    "Write plain sentences in the language of the text. Do not add anything that is not in it."
)
_TASK_OF_SUMMARIES = (
    "The user sends summaries of consecutive parts of one text, in order. Write one summary of the whole text from them. "
    "Write plain sentences in their language. Do not mention parts or summaries."
)
_VERSION = b"1"
"""Counted up when the task's words change: older answers are then not found any more."""
_AT_ONCE_CHARS = 100_000
"""Cleaned and hashed in a millisecond; 10 MB take a tenth of a second, for which nobody else should wait."""


@dataclass(frozen=True, slots=True)
class Summary:
    summary: str
    truncated: bool
    input_tokens: int
    """Of the text as it was sent to us."""
    chunks: int
    cached: bool = False


class Summarizer:
    def __init__(self, answers: Answers, defaults: Defaults, guards: Guards) -> None:
        self._answers = answers
        self._defaults = defaults
        self._guards = guards

    async def summarize(
        self,
        ask: Ask,
        owner: str,
        text: str,
        *,
        mode: Mode = "cut",
        model: str | None = None,
        fresh: bool = False,
        progress: Progress | None = None,
    ) -> Summary:
        model = model or self._defaults.model
        if len(text) <= _AT_ONCE_CHARS:
            text, digest = _prepared(text, mode, model)
        else:
            text, digest = await asyncio.to_thread(_prepared, text, mode, model)
        if not text.strip():
            raise Unprocessable("text is empty: send some text.", param="text")
        if not fresh and (kept := await self._answers.get(owner, digest)) is not None:
            return replace(msgspec.json.decode(kept, type=Summary), cached=True)
        made = await self._make(ask, text, mode, model, progress)
        kept = msgspec.json.encode(made).decode()
        await if_possible(self._answers.put(owner, digest, kept, self._defaults.answers_kept_s), "a summary")
        return made

    async def _make(self, ask: Ask, text: str, mode: Mode, model: str, progress: Progress | None) -> Summary:
        d = self._defaults
        tokens = await tokens_in(text, model)
        in_slices = tokens > d.whole_tokens
        truncated = d.one_call_tokens < tokens and mode == "cut" and not in_slices
        read = d.one_call_tokens if truncated else tokens
        check_estimate(ask, model, read, d.summary_tokens * (1 + tokens // d.slice_tokens), d.cost_cap_nanos)
        if truncated:
            text = await asyncio.to_thread(prefix, text, model, d.one_call_tokens)
        text = await self._guards.through(ask, text, app="summarize")
        if not in_slices:
            return Summary(await self._one(ask, model, _TASK, text), truncated, tokens, 1)
        parts = [part async for part in in_steps(slices(text, model, d.slice_tokens))]
        return Summary(await self._of_slices(ask, model, parts, progress), False, tokens, len(parts))

    async def _of_slices(self, ask: Ask, model: str, parts: list[str], progress: Progress | None) -> str:
        task = _TASK
        while len(parts) > 1:
            current = task

            async def one(part: str, task: str = current) -> str:
                return await self._one(ask, model, task, part)

            found = await in_parallel(parts, one, self._defaults.parallel, progress)
            joined, task, progress = "\n\n".join(found), _TASK_OF_SUMMARIES, None
            parts = [part async for part in in_steps(slices(joined, model, self._defaults.slice_tokens))]
        return await self._one(ask, model, task, parts[0])

    async def _one(self, ask: Ask, model: str, task: str, text: str) -> str:
        messages = [{"role": "system", "content": task}, {"role": "user", "content": text}]
        body = chat_body(model, messages, self._defaults.summary_tokens, self._defaults.temperature)
        return text_of(await ask.chat(body, app="summarize"))


def _prepared(text: str, mode: Mode, model: str) -> tuple[str, str]:
    """-> the text as it is read, and the name under which its summary is kept."""
    text = clean(text)
    return text, hashlib.sha256(b"\0".join((_VERSION, mode.encode(), model.encode(), text.encode()))).hexdigest()

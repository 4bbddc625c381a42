"""How an app calls a model: the port. Two implementations are real, the relay in-process and the official SDK.

    answer = await ask.chat(body, app="summarize")                 one whole answer, as OpenAI's JSON
    async with ask.stream(body, app="chat") as events: …           its chunks; leaving the block drops the call upstream
    vectors = await ask.embed(texts, model, app="search")

Bodies are OpenAI's. Everything raised is one of core's errors. One `Ask` serves one client call or one job and
adds up what was spent in it, so that an app can stop at its own limits.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from doorward.apps.adapter_calls import Fetched
from doorward.core.caller import Caller
from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import Gone

Body = dict[str, Any]
Event = dict[str, Any]


@dataclass(slots=True)
class Spent:
    """What one `Ask` has used so far."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanos: int | None = 0
    """`None` as soon as a price was not known."""

    def add(self, usage: Any, nanos: int | None) -> None:
        self.calls += 1
        if isinstance(usage, dict):
            self.input_tokens += _whole(usage.get("prompt_tokens"))
            self.output_tokens += _whole(usage.get("completion_tokens"))
        self.nanos = None if self.nanos is None or nanos is None else self.nanos + nanos

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Ask(Protocol):
    @property
    def spent(self) -> Spent: ...

    @property
    def call_id(self) -> str:
        """`x-request-id` of the newest call, for "why?"."""

    async def chat(self, body: Body, *, app: str) -> Body: ...

    def stream(self, body: Body, *, app: str) -> AbstractAsyncContextManager[AsyncIterator[Event]]: ...

    async def embed(self, texts: Sequence[str], model: str, *, app: str) -> list[Sequence[float]]: ...

    async def moderate(self, text: str, model: str, *, app: str) -> dict[str, bool]:
        """The moderation endpoint's categories: (name, flagged)."""

    def price(self, model: str, input_tokens: int, output_tokens: int) -> int | None:
        """Nano-dollars of such a call; `None`: the price is not known."""

    def adapters(self) -> dict[str, list[str]]:
        """Name -> methods: what `fetch` may use."""

    async def fetch(self, adapter: str, method: str, path: str, body: str, most_bytes: int, *, app: str, priced: bool) -> Fetched:
        """An adapter's answer, of whatever status. Raises what the adapters' own door would, and with `priced`
        `CostUnbounded` where the price is not known."""

    def note(self, fact: str) -> None:
        """Becomes a tag of the calls that follow: "why?" and usage show it."""


NO_CHOICES = "OpenAI returned no choices"
NO_TEXT = "OpenAI returned no text content (refusal or tool call)"
_REASONING = re.compile(r"(?:openai/)?(?:o[134](?:-|$)|gpt-5)", re.IGNORECASE)


def chat_body(model: str, messages: list[dict[str, Any]], max_tokens: int, temperature: float | None = None, **more: Any) -> Body:
    """A chat request. Reasoning models know neither `max_tokens` nor another temperature than their own."""
    body: Body = {"model": model, "messages": messages}
    if _REASONING.match(model):
        return {**body, "max_completion_tokens": max_tokens, **more}
    if temperature is not None:
        body["temperature"] = temperature
    return {**body, "max_tokens": max_tokens, **more}


def message_of(answer: Body) -> dict[str, Any]:
    """The first choice's message. Raises `UpstreamFailed` where there is none."""
    choices = answer.get("choices")
    message = choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        raise UpstreamFailed(NO_CHOICES, code="no_choices")
    return message


def text_of(answer: Body) -> str:
    """The first choice's text. Raises `UpstreamFailed` for a refusal, a tool call, or nothing."""
    content = message_of(answer).get("content")
    if not isinstance(content, str) or not content:
        raise UpstreamFailed(NO_TEXT, code="no_text_content")
    return content


def delta_of(event: Event) -> str:
    """The text that a chunk adds."""
    choices = event.get("choices")
    delta = choices[0].get("delta") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    text = delta.get("content") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else ""


async def one_shot(ask: Ask, prompt: str, model: str, max_tokens: int, temperature: float | None = None) -> str:
    """`chat(prompt) -> text` (R48): no history, no system prompt, nothing stored."""
    body = chat_body(model, [{"role": "user", "content": prompt}], max_tokens, temperature)
    return text_of(await ask.chat(body, app="one_shot"))


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


AskOf = Callable[[Caller, str, str, Gone, bytes], Ask]
"""(caller, request id, peer, gone, tags) -> the port to the model for one request."""

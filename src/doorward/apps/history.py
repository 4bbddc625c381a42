"""Which part of a conversation still fits: the system message always, then the newest turns, whole (R41). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doorward.providers.tokens import PER_MESSAGE, PRIMING, count_messages


@dataclass(frozen=True, slots=True)
class Turn:
    """One stored message: one of a request's, or an answer's tool exchange with its text. `tokens` are of them all."""

    messages: list[dict[str, Any]]
    tokens: int

    @property
    def role(self) -> str:
        return str(self.messages[0].get("role")) if self.messages else "assistant"


def tokens_of(message: dict[str, Any], model: str) -> int:
    return count_messages([message], model).tokens - PRIMING


def fitting(system: str, turns: Sequence[Turn], model: str, most_tokens: int) -> list[dict[str, Any]]:
    """The messages to send. Oldest exchanges are dropped, each as a whole; the newest one is always sent.

    An exchange is a question and everything up to the next question, so that an answer never stands
    without its question, nor a tool's result without its call.
    """
    left = most_tokens - PRIMING
    head: list[dict[str, Any]] = []
    if system:
        head = [{"role": "system", "content": system}]
        left -= tokens_of(head[0], model)
    kept: list[dict[str, Any]] = []
    for number, exchange in enumerate(reversed(exchanges(turns))):
        needed = sum(max(turn.tokens, PER_MESSAGE) for turn in exchange)
        if number and needed > left:
            break
        left -= needed
        kept = [message for turn in exchange for message in turn.messages] + kept
    return head + kept


def exchanges(turns: Sequence[Turn]) -> list[list[Turn]]:
    found: list[list[Turn]] = []
    for turn in turns:
        if turn.role == "user" or not found:
            found.append([])
        found[-1].append(turn)
    return found

"""A streamed chat answer put together again: its text, and the tool calls whose arguments come in pieces."""

from __future__ import annotations

from typing import Any

from doorward.apps.ask import NO_CHOICES, Event
from doorward.core.errors import UpstreamFailed


class Heard:
    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._is_there = False

    def add(self, event: Event) -> str:
        """-> the text that this chunk adds."""
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return ""
        self._is_there = True
        for at, call in enumerate(calls if isinstance(calls := delta.get("tool_calls"), list) else []):
            if isinstance(call, dict):
                self._add_call(call, at)
        text = delta.get("content")
        if not isinstance(text, str) or not text:
            return ""
        self._text.append(text)
        return text

    def message(self) -> dict[str, Any]:
        """As an unstreamed answer would hold it. Raises `UpstreamFailed` when nothing came."""
        if not self._is_there:
            raise UpstreamFailed(NO_CHOICES, code="no_choices")
        calls = [self._calls[number] for number in sorted(self._calls)]
        return {"role": "assistant", "content": "".join(self._text) or None, "tool_calls": calls}

    def _add_call(self, call: dict[str, Any], at: int) -> None:
        index = call.get("index")
        known = self._calls.setdefault(
            index if isinstance(index, int) else at, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        if isinstance(call.get("id"), str):
            known["id"] = call["id"]
        function = call.get("function")
        for name in ("name", "arguments"):
            piece = function.get(name) if isinstance(function, dict) else None
            if isinstance(piece, str):
                known["function"][name] += piece
